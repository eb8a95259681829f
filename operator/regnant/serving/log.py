"""The server's log: one JSON object a line, on stderr, for events and seldom for requests.

Requests are counted and timed; a line for each would cost more than the inference. Whoever wants
some has them from `access_log`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

FIELDS = "fields"


class JsonLines(logging.Formatter):
    """Format a record, with the fields passed as `extra={"fields": {...}}`, as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Spell the record as JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, default=str)


def set_up() -> None:
    """Send every logger's lines to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def event(message: str, **fields: object) -> None:
    """Log something that happens rarely enough to be read."""
    logging.getLogger("regnant.serving").info(message, extra={FIELDS: fields})


def failure(message: str, error: BaseException, **fields: object) -> None:
    """Log an exception that no code foresaw."""
    logging.getLogger("regnant.serving").error(message, exc_info=error, extra={FIELDS: fields})
