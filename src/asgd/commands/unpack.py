"""`asgd unpack`: packed runs back into the store."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import path
from asgd.settings.folders import RUNS

COMMAND = Command(
    purpose="results",
    help="restore runs that were packed",
    description="Restore packed runs, so that the study does not train them again.",
    examples=("asgd unpack results/paper-jpeg-runs.tar.xz",),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Where from."""
    parser.add_argument("archive", type=path, metavar="ARCHIVE", help="a file that `asgd pack` wrote")


def run(options: argparse.Namespace) -> None:
    """Unpack the runs."""
    from asgd.runs.archive import unpack_runs

    print(f"{RUNS}: {unpack_runs(options.archive, RUNS):,} runs restored")
