"""`python -m e2e.bench.upkeep [--write]`: what open rollouts cost the operator, in CPU time.

A real operator, in its own process, on a real API server; but 150 pods would be too much for one
machine, so their place is taken by the stand-ins of the component tests: pods that are only
objects, and pages of routers and servers on loopback addresses, as long as the real ones.
Everything that the operator does is what it does on a cluster. A rollout is open at a step that
gets light traffic and never enough of it.
"""
