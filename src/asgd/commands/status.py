"""`asgd status`: how far a study is."""

import argparse
from pathlib import Path

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flags
from asgd.settings.folders import DATA_ROOT, ORDERS, RUNS
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="study",
    help="show how far a study is and how long the rest takes",
    description="Show how many runs of a study are done, running, failed and waiting, for each experiment. The time "
    "left is estimated from finished runs of the same kind. It is missing where no such run was trained on this "
    "machine.",
    examples=("asgd status --preset paper --watch",),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Which study, and whether to go on."""
    add_preset_flags(parser, "show this preset (default: the preset that params.yaml names)")
    parser.add_argument("--watch", action="store_true", help="update the status until all runs are done")


def run(options: argparse.Namespace) -> None:
    """Print the status."""
    from asgd.study.plan import plan_study
    from asgd.study.status import State, StatusReader, print_status
    from asgd.tables.files import find_table
    from asgd.terminal import show

    params = load_params(options.params, options.preset)
    study = plan_study(params, DATA_ROOT)
    show(f"study {params.preset}")
    experiments = {name: [run.name for run in runs] for name, runs in study.experiments.items()}
    results, shipped = Path("results"), params.selected.shipped
    reader = StatusReader(study.runs, RUNS, Path("logs/runs"), results / params.preset / ORDERS)
    status = print_status(reader, experiments, options.watch)
    if not status.count(State.DONE) and find_table(results / params.preset / "tables", "runs").exists():
        show(f"\nThe results of this study are in {results / params.preset}, without its runs.")
        if shipped and shipped.runs:
            show(f"`asgd unpack {results / shipped.runs}` restores the runs.")
