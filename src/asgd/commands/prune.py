"""`asgd prune`: what no preset asks for any more."""

import argparse
import sys

from asgd.commands.command import Command
from asgd.commands.flags import add_params_flag
from asgd.settings.folders import CHECKPOINTS, DATA_ROOT, KEPT, RUNS
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="maintenance",
    help="delete runs that no preset needs",
    description="List the runs and checkpoints that no preset of params.yaml needs. Delete them after a question, or "
    "at once with --yes.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whether to ask."""
    parser.add_argument("--yes", action="store_true", help="delete them without asking")
    add_params_flag(parser)


def run(options: argparse.Namespace) -> None:
    """List, ask and delete."""
    from asgd.runs.kept import open_kept
    from asgd.runs.pool import Pool
    from asgd.study.prune import find_unused, measure_size, remove_unused

    unused = find_unused(load_params(options.params), (Pool(), open_kept(KEPT)), CHECKPOINTS, DATA_ROOT)
    for found in unused:
        print(f"{measure_size(found) / 1024:8,.0f} kB  {found}")
    if not unused:
        print(f"{RUNS}: nothing to delete")
    elif options.yes or (sys.stdin.isatty() and input(f"Delete these {len(unused):,}? [y/N] ").lower() == "y"):
        remove_unused(unused)
        print(f"deleted: {len(unused):,}")
    else:
        print(f"No preset of {options.params} needs them ({len(unused):,}). `asgd prune --yes` deletes them.")
