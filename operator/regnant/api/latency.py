"""The buckets in which servers count their answering times, and the operator reads them.

Both sides must mean the same, so it is said once. Nothing is imported here: a server that starts
has no time for it.
"""

FIRST_MICROSECONDS = 10
"""The first bucket holds all times up to this."""
GROWTH = 1.2
"""How much longer the times of each further bucket are."""
BUCKETS = 84
"""How many there are; the last one has no end, and begins at half a minute."""
