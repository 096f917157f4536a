"""`asgd sources`: which sources decide numbers, and that an edit of them changes none."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_root_flag, add_params_flag, add_results_flag, count
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="maintenance",
    help="show which source files decide the numbers",
    description="Show which source files decide the numbers of each family of runs and of images. An edit of them "
    "renames the runs. If an edit changes no number, `accept` keeps the names: it trains a sample of the runs again, "
    "and succeeds if all numbers are equal.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What to do, and how many runs to train."""
    parser.add_argument("action", nargs="?", choices=["show", "accept"], default="show", help="default: %(default)s")
    parser.add_argument(
        "--jobs", type=count, default=1, metavar="N", help="accept: train N runs in parallel (default: %(default)s)"
    )
    parser.add_argument(
        "--runs", type=count, default=30, metavar="N", help="accept: train N runs (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="accept: seed of the choice of the runs (default: %(default)s)"
    )
    parser.add_argument(
        "--earlier",
        metavar="COMMIT",
        help="accept: train a run that differs from its table with the sources of COMMIT too",
    )
    parser.add_argument(
        "--rounding", nargs="*", default=[], metavar="COLUMN", help="accept: columns that may differ by rounding (1e-5)"
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
