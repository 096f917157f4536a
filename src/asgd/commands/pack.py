"""`asgd pack`: a preset's runs in one file."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flags, path
from asgd.settings.folders import DATA_ROOT
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="results",
    help="put the runs of a preset into one file",
    description="Put all finished runs of a preset into one archive. `asgd unpack` restores them on any machine.",
    examples=("asgd pack --preset smoke runs.tar.xz",),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose runs, and where to."""
    parser.add_argument("archive", type=path, metavar="ARCHIVE", help="the file to write, with the ending .tar.xz")
    add_preset_flags(parser, "pack the runs of this preset (default: the preset that params.yaml names)")


def run(options: argparse.Namespace) -> None:
    """Pack the runs."""
    from asgd.runs.archive import pack_runs
    from asgd.runs.pool import Pool
    from asgd.study.plan import plan_study

    names = plan_study(load_params(options.params, options.preset), DATA_ROOT).runs
    print(f"{options.archive}: packed {pack_runs(names, Pool(), options.archive):,} of {len(names):,} runs")
