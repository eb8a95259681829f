"""What Regnant decides: one total, pure function `decide(observed, now)` for each kind.

A decision says what the status must become, what must exist, what must go and what users are told.
Nothing here reads a clock, a cluster or a network; phases are derived from what was observed and
from dates that were written before, so the same observation always gives the same decision.
"""
