"""YAML as people write it, for every generated file: lists indented, no aliases, text as blocks."""

from __future__ import annotations

from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
        return super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def to_yaml(document: dict[str, Any]) -> str:
    """One YAML document in the order of its keys."""
    return str(yaml.dump(document, Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True))
