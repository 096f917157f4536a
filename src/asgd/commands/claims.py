"""`asgd claims`: the verdicts."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_params_flag, add_preset_flag, add_results_flag, path
from asgd.settings.study import load_params

COMMAND = Command(
    help="judge the paper's claims",
    description="Judge the paper's claims from the tables of a preset, with the margins of params.yaml.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose tables, and where the verdicts go."""
    add_preset_flag(parser, "which preset's results (default: the one that params.yaml names)")
    add_params_flag(parser)
    add_results_flag(parser)
    parser.add_argument("--json", type=path, metavar="FILE", help="also write the verdicts to FILE")


def run(options: argparse.Namespace) -> None:
    """Judge and print."""
    from asgd.claims import claims_to_json, format_claims, judge_claims
    from asgd.claims.claim import list_read
    from asgd.files import write_json
    from asgd.tables.files import read_table

    params = load_params(options.params, options.preset)
    tables = options.results / params.preset / "tables"
    runs, evaluations = read_table(tables / "runs.csv"), read_table(tables / "evaluations.csv")
    there = [name for name in list_read(params.claims.edition) if (tables / f"{name}.csv").exists()]
    read = {name: read_table(tables / f"{name}.csv", ()) for name in there}
    verdicts = judge_claims(runs, evaluations, params.claims, params.base, tables=read)
    print(format_claims(verdicts))
    if options.json:
        write_json(options.json, claims_to_json(verdicts))
