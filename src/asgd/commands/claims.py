"""`asgd claims`: the verdicts."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_preset_flags, add_results_flag, path
from asgd.settings.study import load_params

COMMAND = Command(
    purpose="results",
    help="show the verdict on each claim of the paper",
    description="Judge each claim of the paper from the tables of a preset. The margins are those of params.yaml.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose tables, and where the verdicts go."""
    add_preset_flags(parser, "judge the results of this preset (default: the preset that params.yaml names)")
    add_results_flag(parser)
    parser.add_argument("--json", type=path, metavar="FILE", help="also write the verdicts to FILE")


def run(options: argparse.Namespace) -> None:
    """Judge and print."""
    from asgd.analyses.analysis import analysis_tables
    from asgd.claims import claims_to_json, judge_claims
    from asgd.claims.claim import list_read
    from asgd.claims.terminal import show_claims
    from asgd.files import write_json
    from asgd.tables.columns import AGGREGATED
    from asgd.tables.files import find_table, read_table
    from asgd.terminal import show

    params = load_params(options.params, options.preset)
    tables = options.results / params.preset / "tables"
    runs, evaluations = (
        read_table(find_table(tables, name), AGGREGATED[name].columns) for name in ("runs", "evaluations")
    )
    there = [name for name in list_read(params.claims.edition) if (tables / f"{name}.csv").exists()]
    read = {name: read_table(tables / f"{name}.csv", analysis_tables()[name].columns) for name in there}
    verdicts = judge_claims(runs, evaluations, params.claims, params.base, tables=read)
    show(show_claims(verdicts))
    if options.json:
        write_json(options.json, claims_to_json(verdicts))
