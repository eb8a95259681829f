"""The base of every resource model, and the scalar types that Kubernetes spells its own way.

JSON speaks camelCase and strings for decimals and durations; Python gets snake_case, `Decimal` and
`timedelta`. Both spellings are tied together here and nowhere else. A model may carry CEL rules
(`rules`): the API server enforces them, so a false resource is refused when it is applied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

# So few digits keep every length within what a timedelta and an Envoy duration hold.
DURATION_PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$"
DECIMAL_PATTERN = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule of `x-kubernetes-validations`; the message names the field and the remedy."""

    expression: str
    message: str


class Model(BaseModel):
    """A frozen piece of a resource; unknown fields are ignored, as the API server prunes them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON that Kubernetes stores: camelCase, nothing that is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_duration(value: object) -> timedelta:
    """`1h30m`, `90s` or a timedelta, as a timedelta.

    Raises:
        ValueError: the text is not made of hours, minutes and seconds.
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(DURATION_PATTERN, str(value))
    if not match or not value:
        raise ValueError(f"{value!r} is not a duration such as 90s, 10m or 1h30m")
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest of the spellings that `parse_duration` reads; whole seconds."""
    whole = round(value.total_seconds())
    # No more digits than the pattern allows: what was once read can always be written back.
    hours = min(whole // 3600, 10**6 - 1)
    minutes = min((whole - 3600 * hours) // 60, 10**9 - 1)
    seconds = whole - 3600 * hours - 60 * minutes
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as Kubernetes' MicroTime."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "minLength": 2, "maxLength": 32}
    ),
]
"""A length of time in hours, minutes and seconds: `90s`, `10m`, `1h30m`."""

DecimalString = Annotated[
    Decimal,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DECIMAL_PATTERN, "maxLength": 40}),
]
"""A decimal number written as a string, as floats do not survive JSON tools unchanged."""

Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
"""`sha256:` and 64 hexadecimal digits."""

ModelName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=40)
]
"""The name of a model line; versions are called `<modelName>-<number>`, so it must be short."""

VersionNumber = Annotated[int, Field(ge=1, le=999_999)]

MAX_TEXT = 1024
"""As many characters of a sentence are kept."""
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
"""A sentence for people; bounded, as it is kept in a status."""

Reason = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=64)]

JsonObject = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


def one_of(*fields: str, where: str) -> Rule:
    """The union rule: exactly one of `fields` is set."""
    count = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    names = " and ".join((", ".join(fields[:-1]), fields[-1]))
    return Rule(f"{count} == 1", f"{where}: set exactly one of {names}")


def at_least_a_second(field: str, *, where: str) -> Rule:
    """The rule for a duration that zero would turn into something else: never, or at once."""
    return Rule(f"duration(self.{field}) >= duration('1s')", f"{where}.{field}: choose at least 1s")


def decimal_between(field: str, low: str, high: str, *, where: str, why: str) -> Rule:
    """The rule for a decimal that must lie in [low, high]."""
    return Rule(
        f"!has(self.{field}) || (double(self.{field}) >= {float(low)}"
        f" && double(self.{field}) <= {float(high)})",
        f"{where}.{field}: choose a number from {low} to {high}; {why}",
    )


def immutable(field: str, *, remedy: str) -> Rule:
    """The transition rule for a field that keeps its first value."""
    return Rule(f"self.{field} == oldSelf.{field}", f"{field} is immutable: {remedy}")
