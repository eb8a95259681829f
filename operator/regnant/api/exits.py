"""What a container says by the number that it ends with.

The trainer ends with it, and the operator's Jobs and diagnoses tell faults apart by it, so it is
said once. Nothing is imported here: an init container that fails must be able to say so
cheaply.
"""

INPUT_AT_FAULT = 64
"""The same inputs fail again, so another try helps nobody."""
