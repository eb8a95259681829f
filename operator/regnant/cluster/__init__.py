"""Everything that is said to Kubernetes, and the only importer of its client library.

`client` reads and writes objects as plain dicts, one path for core and custom kinds; `watch` wakes
keys when children change and keeps nothing of them; `leadership` lets one replica act. `transport`
is the one place that sends a request and turns what went wrong into `errors`. What objects look
like is `manifests`' concern, and what to do about them is decided in `lifecycle`.
"""
