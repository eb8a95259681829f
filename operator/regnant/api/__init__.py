"""The three resources of `regnant.dev`, as users write them and as the operator reads them.

One module a resource, each with its spec and its status; `schema` turns them into the
CustomResourceDefinitions under `crds/`. Everything here is pure: no I/O, no clock, no Kubernetes
client. What a field means is said in its description, once, and reaches users through
`kubectl explain` and the generated reference.
"""
