"""`asgd pack`: a preset's runs in one file."""

import argparse
from pathlib import Path

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flags, path
from asgd.settings.folders import DATA_ROOT, RUNS
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="results",
    help="put the runs of a preset into one file",
    description="Put all finished runs of a preset, and those that its analyses trained, into one archive. "
    "`asgd unpack` restores them on any machine.",
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
    from asgd.study.shipped import Results
    from asgd.study.trained import list_trained

    study, pool = plan_study(load_params(options.params, options.preset), DATA_ROOT), Pool()
    results = Results(study, RUNS.parent / study.params.preset, Path())
    trained = list_trained(results)
    found = [run for run in trained if run in pool]
    packed = pack_runs([*study.runs, *found], pool, options.archive) - len(found)
    also = f", and {len(found):,} of {len(trained):,} that its analyses trained" if trained else ""
    print(f"{options.archive}: packed {packed:,} of {len(study.runs):,} runs{also}")
