"""`asgd regroup`: runs from folders into batches and back."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flags, count
from asgd.settings.folders import BATCHES, DATA_ROOT, KEPT, RUNS
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="maintenance",
    help="move runs from folders into batches, or back",
    description="Move the finished runs of a preset from folders into batches of many runs each, or back. Each run is "
    "compared with its copy before it is deleted. Nothing is trained again.",
    examples=("asgd regroup --preset paper --into batches", "asgd regroup --preset paper --into folders"),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose runs, and which way."""
    parser.add_argument(
        "--into", choices=["batches", "folders"], required=True, metavar="batches|folders", help="the form to move to"
    )
    parser.add_argument(
        "--runs-per-batch",
        type=count,
        metavar="N",
        help="runs in each batch (default: runs_per_batch of the preset, or 100)",
    )
    add_preset_flags(parser, "move the runs of this preset (default: the preset that params.yaml names)")


def run(options: argparse.Namespace) -> None:
    """Move the runs."""
    from asgd.runs.pool import Pool
    from asgd.runs.regroup import move_to_batches, move_to_folders
    from asgd.study.plan import plan_study

    params = load_params(options.params, options.preset)
    names = [run.name for run in plan_study(params, DATA_ROOT).runs.values() if run.config.execution == "simulated"]
    with Pool(thorough=True) as pool:
        if options.into == "folders":
            print(f"{RUNS}: {move_to_folders(names, pool, KEPT):,} runs moved here from {BATCHES}")
            return
        size = options.runs_per_batch or params.selected.runs_per_batch or 100
        print(f"{BATCHES}: {move_to_batches(names, pool, KEPT, size):,} runs moved here from {RUNS}")
