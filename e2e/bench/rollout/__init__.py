"""A rollout, recorded: `python -m e2e.bench.rollout [--write]`.

Two stories are told under an open-loop load and drawn: a challenger that proves itself and reigns,
and one that breaks under traffic. Beside them two times are taken often: from a decision until the
routers act on it, and from the first request that a challenger fails at until it gets none.

    arena.py      the service of one story, in a namespace that is gone afterwards
    recorder.py   what the status said, and when
    requests.py   what became of each request, by whom and by which configuration of the routers
    shifts.py     from a decision to the traffic
    cutoffs.py    from a failing request to weight 0
    stories.py    the two that are drawn
    picture.py    the picture

What routers do is read from users' answers alone: each carries the revision that it was routed by.
"""
