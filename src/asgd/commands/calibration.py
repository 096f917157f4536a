"""`asgd calibration`: how learning rates were chosen."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flags, add_results_flag
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="study",
    help="show how the learning rates were chosen",
    description="Show the learning rates that a calibration tried, their scores and the chosen rate. If each arm has "
    "its own rate, the last lines can be copied to `variants` in params.yaml.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose tables."""
    add_preset_flags(parser, "show the calibration of this preset (default: %(default)s)", default="calibration")
    add_results_flag(parser)


def run(options: argparse.Namespace) -> None:
    """Print the ranking, or every arm's rates."""
    from asgd.analyses.calibration import ANALYSIS, format_choice, format_chosen, format_rates, rank_learning_rates
    from asgd.tables.files import find_table, read_table

    tables = options.results / options.preset / "tables"
    if (path := tables / "calibration.csv").exists():
        table = read_table(path, ANALYSIS.tables["calibration"].columns)
        preset = load_params(options.params, options.preset).selected
        print(f"{format_rates(table)}\n\n{format_chosen(table, preset)}")
        return
    runs = read_table(find_table(tables, "runs"), ("learning_rate", "final_test_accuracy"))
    print(format_choice(rank_learning_rates(runs)))
