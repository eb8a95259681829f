"""The operator's process, and the only importer of kopf.

    settings    what the command line and the environment say
    wakeups     kopf's watches of the three resources; a handler puts keys into the queue, no more
    inventory   which objects there are and whom a change concerns
    resync      everything, listed at the start and looked at again every few minutes
    loop        the queue and all that wakes it, started and stopped as one
    health      /healthz, /readyz and /metrics
    process     leadership, start, and a graceful stop
    logs        lines of JSON or of text

Nothing is decided here. kopf leaves no finalizer and no annotation on a user's object, because
there is no handler that would need one.
"""
