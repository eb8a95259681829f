"""Builders: from a resource to the Kubernetes objects that carry it out, as plain dicts.

One module a kind of child. Every function here is pure, names are derived and never random, and
nothing is read from a cluster; whether a child must be written is decided by comparison (`drift`).
"""
