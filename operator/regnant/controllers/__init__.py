"""The loop: observe, decide, execute, one controller a kind, fed by one keyed work queue.

`queue` says when a key is reconciled and `metrics` counts it; neither knows what reconciling means.
The controllers read the cluster live, ask `lifecycle` what must become so and carry it out. They
decide nothing themselves and import no client library: Kubernetes is spoken to by `cluster`, HTTP
by `probes`.
"""
