"""Model bundles, named by their content.

A bundle is what one training run leaves behind: the model, its signature, golden answers, reference
profile and card, tied together by an OCI manifest whose sha256 is the model's name everywhere.
Trainer, fetcher and server share this package, and only it, so that the three agree on every byte.
It must not know how a model is trained or served, nor anything of Kubernetes but the termination
message.
"""
