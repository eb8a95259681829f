"""Regnant: a Kubernetes operator for the life of a model.

Each subpackage is one image's or one layer's concern; `docs/architecture.md` draws how imports
point. Nothing is imported here, so that a container loads only what it runs.
"""
