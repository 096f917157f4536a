"""`asgd verify`: whether shipped results are what the configuration, the sources and the data give."""

import argparse
import sys

from asgd.commands.command import Command
from asgd.commands.flags import add_data_root_flag, add_preset_flags, add_results_flag
from asgd.errors import AsgdError
from asgd.logs import print_error
from asgd.settings.study import load_params

INTERNAL_ERROR = 70  #: exit status where a check itself failed

COMMAND = Command(
    purpose="results",
    help="check that the results match the configuration",
    description="Check that the shipped results match params.yaml, the sources and the data. Nothing is trained: the "
    "tables, figures and report are made again, from the packed runs where there are any, and compared. The exit "
    "status is 1 if something does not match, and 70 if a check itself failed.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose results, and which checks."""
    add_preset_flags(parser, "check the results of this preset (default: all presets that have results)")
    add_results_flag(parser)
    add_data_root_flag(parser)
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="CHECK",
        help="skip these checks, by their names in the output (figures and report take longest)",
    )


def run(options: argparse.Namespace) -> None:
    """Check, print a line for each check, and end with an error if something is wrong."""
    from asgd.study.verify import find_shipped, format_check, verify_results

    presets = [options.preset] if options.preset else find_shipped(load_params(options.params), options.results)
    wrong, failed = [], []
    for preset in presets:
        print(options.results / preset, flush=True)
        params = load_params(options.params, preset)
        for check in verify_results(params, options.results, options.data_root, options.without):
            print(format_check(check), flush=True)
            wrong += [f"{preset} ({check.name})"] if check.faults else []
            failed += [check.error] if check.error else []
    mismatch = AsgdError(
        f"{options.results}: some results do not match: {', '.join(wrong)}; see the lines marked * above"
    )
    if failed:
        print(*failed, sep="\n", file=sys.stderr)
        if wrong:
            print_error(mismatch)
        print(
            f"asgd: checks that failed with an internal error: {len(failed)}; please report the errors above",
            file=sys.stderr,
        )
        sys.exit(INTERNAL_ERROR)
    if wrong:
        raise mismatch
