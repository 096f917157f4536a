"""`asgd sources`: which sources decide numbers, and that an edit of them changes none."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_root_flag, add_params_flag, add_results_flag, count
from asgd.settings.study import load_params

COMMAND = Command(
    help="show or accept the sources that decide numbers",
    description="Show which sources decide the numbers of each family of runs and images. With `accept`: train runs "
    "again, drawn over all experiments that have tables; if all are equal, the present sources take the earlier names.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What to do, and how many runs to train."""
    parser.add_argument("action", nargs="?", choices=["show", "accept"], default="show", help="default: %(default)s")
    parser.add_argument("--jobs", type=count, default=1, help="accept: runs to train at a time (default: %(default)s)")
    parser.add_argument("--runs", type=count, default=30, help="accept: how many runs to train (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="accept: which runs are drawn (default: %(default)s)")
    parser.add_argument(
        "--earlier",
        metavar="COMMIT",
        help="accept: a run that differs from its table is trained by these sources too",
    )
    parser.add_argument(
        "--rounding", nargs="*", default=[], metavar="COLUMN", help="accept: columns that may differ in rounding (1e-5)"
    )
    add_params_flag(parser)
    add_results_flag(parser)
    add_data_root_flag(parser)


def run(options: argparse.Namespace) -> None:
    """Show the families, or train and accept."""
    if options.action == "show":
        _show()
        return
    from asgd.study.accept import accept_sources

    accept_sources(
        load_params(options.params),
        options.results,
        options.data_root,
        jobs=options.jobs,
        number=options.runs,
        seed=options.seed,
        rounding=options.rounding,
        earlier=options.earlier,
    )


def _show() -> None:
    from asgd.accepted import read_accepted
    from asgd.runs.sources import find_sources, fingerprint_sources, list_families

    for family in list_families():
        name = fingerprint_sources(family)
        known = "accepted" if read_accepted().get(family, {}).get("name") == name else "new"
        print(f"{family}: {name[:12] or 'the first'}, {known}", *find_sources(family), sep="\n  ")
