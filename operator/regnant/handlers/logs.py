"""How the process writes its log: a line an event, for machines or for people.

Lines about an object carry its kind, namespace and name and the reason as fields of their own.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from regnant.handlers.settings import LogFormat

_FIELDS = ("kind", "namespace", "object", "reason")
_TEXT = "%(asctime)s %(levelname)-7s %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(style: LogFormat) -> None:
    """Write everything from INFO on to standard error; of kopf, only what is wrong."""
    handler = logging.StreamHandler()
    text = logging.Formatter(_TEXT, datefmt="%H:%M:%S")
    handler.setFormatter(JsonFormatter() if style == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
