"""`asgd status`: how far a study is."""

import argparse
from pathlib import Path

from asgd.commands.command import Command
from asgd.commands.flags import add_params_flag, add_preset_flag
from asgd.settings.folders import DATA_ROOT, RUNS
from asgd.settings.study import load_params

COMMAND = Command(
    help="show how far a study is",
    description="Say how many runs of a preset are done, running, failed and waiting, and how long the rest will take.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Which study, and whether to go on."""
    add_preset_flag(parser, "which study (default: the preset that params.yaml names)")
    parser.add_argument("--watch", action="store_true", help="go on until all runs are done")
    add_params_flag(parser)


def run(options: argparse.Namespace) -> None:
    """Print the status."""
    from asgd.study.plan import plan_study
    from asgd.study.status import print_status

    runs = plan_study(load_params(options.params, options.preset), DATA_ROOT).runs
    print_status(runs, RUNS, Path("logs/runs"), options.watch)
