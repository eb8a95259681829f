"""`regnant`, also `kubectl regnant`: what people see of a service, and what they ask of it.

It works with the user's own kubeconfig and permissions and needs nothing on the server's side: it
reads `status` and says it in words, and it asks the operator for things by the action annotation.
It decides nothing. Everything that talks is in `regnant.cluster`; what is imported before the
arguments are understood stays small, as people wait for it.
"""
