"""`python -m regnant.cli`, where the scripts are not installed."""

from __future__ import annotations

import sys

from regnant.cli.entry import main

sys.exit(main())
