"""`asgd calibration`: how the learning rate was chosen."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flag, add_results_flag

COMMAND = Command(
    help="show the choice of the learning rate",
    description="Show which learning rate the calibration chooses, and by what.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose tables."""
    add_preset_flag(parser, "the preset that calibrates (default: %(default)s)", default="calibration")
    add_results_flag(parser)


def run(options: argparse.Namespace) -> None:
    """Print the ranking."""
    from asgd.analyses.calibration import format_choice, rank_learning_rates
    from asgd.tables.files import read_table

    runs = read_table(
        options.results / options.preset / "tables" / "runs.csv", ("learning_rate", "final_test_accuracy")
    )
    print(format_choice(rank_learning_rates(runs)))
