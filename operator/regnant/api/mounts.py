"""Where a pod finds what the operator mounts into it.

The operator writes these paths into pods, and what runs there reads from them, so they are said
once. Nothing is imported here: a server that starts has no time for it.
"""

BUNDLE = "/bundle"
RUN_FILE = "/etc/regnant/run/run.json"
OUTPUT = "/work/output"
"""Where a trainer puts what it made."""
DATA = "/data"
"""The claim that a pipeline's data is on."""
DATA_CREDENTIALS = "/etc/regnant/credentials/data"
STORE_CREDENTIALS = "/etc/regnant/credentials/store"
