"""The environment is read once, and what cannot be used is named."""

from __future__ import annotations

from dataclasses import fields

import pytest

from regnant.serving.errors import SettingInvalid
from regnant.serving.settings import Limits, parse_settings

NEEDED = {
    "REGNANT_BUNDLE_DIGEST": "sha256:" + "a" * 64,
    "REGNANT_MODEL_NAME": "churn",
    "REGNANT_MODEL_VERSION": "3",
}


def test_what_is_not_set_has_a_default() -> None:
    settings = parse_settings(NEEDED)
    assert (settings.port, settings.host, settings.drain_seconds) == (8080, None, 15)
    assert str(settings.bundle_dir) == "/bundle"
    assert settings.limits == Limits()
    assert settings.outcome_sample == 1.0


@pytest.mark.parametrize("value", ["0", "0.25", "1"])
def test_a_share_of_the_outcomes_can_be_kept(value: str) -> None:
    settings = parse_settings({**NEEDED, "REGNANT_OUTCOME_SAMPLE": value})
    assert settings.outcome_sample == float(value)


def test_every_limit_but_lingering_can_be_set() -> None:
    names = {
        "head_bytes": "REGNANT_MAX_HEADER_BYTES",
        "body_bytes": "REGNANT_MAX_BODY_BYTES",
        "buffered_bytes": "REGNANT_MAX_BUFFERED_BYTES",
        "in_flight": "REGNANT_MAX_IN_FLIGHT",
        "connections": "REGNANT_MAX_CONNECTIONS",
        "pipelined": "REGNANT_MAX_PIPELINED",
        "head_seconds": "REGNANT_HEADER_SECONDS",
        "body_seconds": "REGNANT_BODY_SECONDS",
        "idle_seconds": "REGNANT_IDLE_SECONDS",
        "batch_rows": "REGNANT_MAX_BATCH_ROWS",
        "batch_bytes": "REGNANT_MAX_BATCH_BYTES",
        "queue_seconds": "REGNANT_QUEUE_SECONDS",
        "inference_seconds": "REGNANT_INFERENCE_SECONDS",
        "write_seconds": "REGNANT_WRITE_SECONDS",
    }
    assert {field.name for field in fields(Limits)} == {*names, "linger_seconds"}
    given = {variable: str(number) for number, variable in enumerate(names.values(), 1)}
    limits = parse_settings({**NEEDED, **given}).limits
    assert [getattr(limits, name) for name in names] == list(range(1, len(names) + 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGNANT_BUNDLE_DIGEST", "sha256:abc"),
        ("REGNANT_BUNDLE_DIGEST", ""),
        ("REGNANT_MODEL_NAME", "a\r\nb"),
        ("REGNANT_MODEL_NAME", "a/b"),
        ("REGNANT_MODEL_VERSION", ""),
        ("REGNANT_PORT", "99999"),
        ("REGNANT_PORT", "http"),
        ("REGNANT_MAX_IN_FLIGHT", "0"),
        ("REGNANT_MAX_BODY_BYTES", "-1"),
        ("REGNANT_MAX_BODY_BYTES", "²"),
        ("REGNANT_DRAIN_SECONDS", "soon"),
        ("REGNANT_DRAIN_SECONDS", "-1"),
        ("REGNANT_IDLE_SECONDS", "nan"),
        ("REGNANT_IDLE_SECONDS", "inf"),
        ("REGNANT_OUTCOME_SAMPLE", "1.1"),
        ("REGNANT_OUTCOME_SAMPLE", "-0.1"),
        ("REGNANT_OUTCOME_SAMPLE", "nan"),
        ("REGNANT_OUTCOME_SAMPLE", "10%"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=f"^{name}: "):
        parse_settings({**NEEDED, name: value})
