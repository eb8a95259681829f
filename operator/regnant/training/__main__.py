"""`python -m regnant.training`: train; `python -m regnant.training pack`: pack a user's model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from regnant.artifacts.termination import Failure, write_failure, write_result
from regnant.training.environment import check_packages, fix_hash_seed
from regnant.training.progress import Progress
from regnant.training.run_file import RunFile, load_run_file

Work = Callable[[RunFile, Progress], dict[str, object]]


def main(arguments: list[str]) -> int:
    """Do the work that the arguments name and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m regnant.training", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["train", "pack"], default="train")
    command = parser.parse_args(arguments).command
    progress = Progress()
    try:
        check_packages()
        run = load_run_file()
        write_result(_work(command)(run, progress))
    except Failure as failure:
        progress.say(f"{failure.reason}: {failure.message}", level="ERROR")
        return write_failure(failure, stage=progress.stage)
    return 0


def _work(command: str) -> Work:
    """Import only what the command needs: packing needs no scikit-learn."""
    if command == "pack":
        from regnant.training.pack import pack

        return pack
    from regnant.training.train import train

    return train


if __name__ == "__main__":
    fix_hash_seed(sys.argv[1:])
    sys.exit(main(sys.argv[1:]))
