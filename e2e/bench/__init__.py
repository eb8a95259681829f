"""What docs/benchmarks.md records, measured: `make bench`, or `python -m e2e.bench`.

Each figure stands beside one that was taken in the same run, in turns: what Regnant does, and the
same work without it. So the ratios hold on a slow or busy machine where the seconds do not. Nothing
here passes or fails; a goal that is missed is a row that says so.

    training.py   a TrainingPipeline, against the same run bare in one pod
    serving.py    an InferenceService, against a Deployment by hand, and a router alone
    footprint.py  memory, and what settled services cost the operator and the API server
    poller.py     how the time until an answer is taken
    readings.py   where memory, CPU and request counts are read
    report.py     medians, tables and the page

What needs no cluster has a command of its own, and keeps the same rule:

    evidence/     `python -m e2e.bench.evidence`: what the statistics find, and how often they err
    router.py     `python -m e2e.bench.router`: a request through a router, and without one
    outcomes.py   `python -m e2e.bench.outcomes`: a server's counts and outcomes, and without them
    closed_loop.py, model_server.py, bare_router.py, deaf_server.py
                  who asks, who answers, and the peers without what is measured
    machine.py    the machine, its cores, and the CPU time of a process
"""
