"""A Kubernetes cluster that a fresh machine builds for itself and can take down again.

Where no container registry is reachable, every program comes from the Go module
proxy and every image is made here; the cluster is one node, closed to the
outside, and lives under one state folder.

Standard library only, and no import of `regnant`: this package runs before any
virtual environment exists (`python3 -m e2e.cluster up`) and must not depend on
what it helps to test.
"""
