"""The init container of a server: `python -m regnant.artifacts fetch`.

It alone holds the store's credentials; the server beside it gets the verified directory and nothing
else. Failures leave by the termination message.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from regnant.artifacts.credentials import DIRECTORY, load_credentials
from regnant.artifacts.reference import parse_repository
from regnant.artifacts.store import fetch
from regnant.artifacts.termination import Failure, write_failure

STAGE = "FetchingBundle"


def main(arguments: list[str] | None = None) -> int:
    """Fetch one bundle as the arguments say and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        repository = parse_repository(options.uri)
        credentials = load_credentials(options.credentials, repository.host)
        opened = fetch(
            repository,
            options.digest,
            options.into,
            credentials=credentials,
            plain_http=options.plain_http,
        )
    except Failure as failure:
        sys.stderr.write(f"{failure.reason}: {failure.message}\n")
        return write_failure(failure, stage=STAGE)
    sys.stdout.write(f"fetched and verified {opened.digest} into {opened.directory}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m regnant.artifacts", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    fetching = commands.add_parser("fetch", help="bring a bundle into a directory, verified")
    fetching.add_argument("--uri", required=True, help="oci://host[:port]/repository")
    fetching.add_argument("--digest", required=True, help="sha256 of the bundle's manifest")
    fetching.add_argument("--into", required=True, type=Path, help="directory to fill")
    fetching.add_argument("--plain-http", action="store_true", help="speak HTTP without TLS")
    fetching.add_argument("--credentials", type=Path, default=DIRECTORY, help="mounted Secret")
    return parser


if __name__ == "__main__":
    sys.exit(main())
