"""What the evidence costs and finds, simulated: `python -m e2e.bench.evidence`; no cluster is used.

The statistics promise that looking at all times does not make them wrong more often than alpha.
Here models that are equal, better, worse or broken answer drawn requests, the operator's own
functions look at the counts as an operator would, and what they decide is counted. Draws have fixed
seeds, so a run can be repeated to the digit; only the times of a look belong to the machine.

    streams.py   draws what champion and challenger answered
    equal.py     equal models: how often they are told apart wrongly, with the naive test beside
    pairs.py     pairs with known truth: how many it takes to find the better and the worse
    failing.py   failing and slow challengers: how many tries it takes
    looks.py     the CPU time of one look
    picture.py   the picture in docs/evidence.md
"""
