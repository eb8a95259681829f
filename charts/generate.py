"""Write what is made from the chart: the one plain manifest, and the table of values in its README.

Run as `python charts/generate.py`; with `--check` it writes nothing and fails when a file is not
current. `crds/generate.py` runs first: it brings the CRDs into the chart. The manifest is for
`kubectl apply --server-side -f charts/regnant.yaml`, so what only Helm reads is taken out of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
# Neither is an installed package: the tooling must run before any environment exists.
sys.path.insert(0, str(ROOT))

from crds.plain_yaml import to_yaml  # noqa: E402
from e2e.access import program  # noqa: E402

CHART = ROOT / "charts" / "regnant"
MANIFEST = ROOT / "charts" / "regnant.yaml"
README = CHART / "README.md"
NAMESPACE = "regnant-system"
_BEGIN, _END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
_HEADER = """\
# Generated from charts/regnant by charts/generate.py; do not edit.
#   kubectl apply --server-side -f regnant.yaml
# Its images are localhost/regnant-*: put the registry that you pushed them to in their place,
#   sed 's#localhost/regnant-#HOST/PATH/regnant-#' regnant.yaml | kubectl apply --server-side -f -
"""
_KUBERNETES = "1.36.0"
_OF_HELM = ("helm.sh/chart", "helm.sh/resource-policy", "app.kubernetes.io/managed-by")


def manifest() -> str:
    """Every object of the chart with its default values, and the namespace for them."""
    command = [str(program("helm")), "template", "regnant", str(CHART), f"--namespace={NAMESPACE}"]
    # Without a version each helm takes the one that it was built with.
    command.append(f"--kube-version={_KUBERNETES}")
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    documents = [_namespace(), *(d for d in yaml.safe_load_all(rendered) if d)]
    for document in documents:
        _forget_helm(document)
    return _HEADER + "".join(f"---\n{to_yaml(document)}" for document in documents)


def _namespace() -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": labels},
    }


def _forget_helm(document: dict[str, Any]) -> None:
    metadata = document["metadata"]
    for field in ("labels", "annotations"):
        if field in metadata:
            kept = {k: v for k, v in metadata[field].items() if k not in _OF_HELM}
            metadata[field] = kept
            if not kept:
                del metadata[field]


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the chart that a user may set."""

    path: str
    default: str
    description: str


def values(text: str) -> list[Value]:
    """The values of a values.yaml in its order, each with the comment directly above it."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml must be a mapping")
    return list(_values(root, (), text.splitlines()))


def _values(node: yaml.MappingNode, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, child in node.value:
        comment = _comment_above(lines, key.start_mark.line)
        here = (*path, key.value)
        # A mapping that is described is one value; what is in it is its default.
        if comment or not isinstance(child, yaml.MappingNode):
            default = json.dumps(yaml.safe_load(yaml.serialize(child)))
            yield Value(".".join(here), default, comment)
        else:
            yield from _values(child, here, lines)


def _comment_above(lines: list[str], line: int) -> str:
    words: list[str] = []
    while line > 0 and lines[line - 1].strip().startswith("#"):
        line -= 1
        words.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(words)


def readme() -> str:
    """The README with the table of values brought up to date."""
    rows = [
        f"| `{value.path}` | {value.description} | `{value.default}` |\n"
        for value in values((CHART / "values.yaml").read_text(encoding="utf-8"))
    ]
    table = "| Value | What it is | Default |\n| --- | --- | --- |\n" + "".join(rows)
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"


def main() -> int:
    """Write the files, or say which are stale."""
    check = "--check" in sys.argv[1:]
    wanted = {README: readme(), MANIFEST: manifest()}
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    if check and stale:
        print("run `make generate` and commit the result", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
