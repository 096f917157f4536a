"""`asgd verify`: whether shipped results are what the configuration, the sources and the data give."""

import argparse
import sys

from asgd.commands.command import Command
from asgd.commands.flags import add_data_root_flag, add_params_flag, add_preset_flag, add_results_flag
from asgd.errors import AsgdError
from asgd.logs import print_error
from asgd.settings.study import load_params

INTERNAL_ERROR = 70  #: exit status where a check itself failed

COMMAND = Command(
    help="check shipped results against configuration, sources and data",
    description="Say which shipped results do not match params.yaml, the sources and the data. Trains nothing: "
    "tables are made again from those of the runs, these from packed runs, and figures and report are drawn again. "
    "Ends with status 1 if something does not match, and with 70 if a check itself failed.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whose results, and which checks."""
    add_preset_flag(parser, "whose results (default: all that are shipped or there)")
    add_params_flag(parser)
    add_results_flag(parser)
    add_data_root_flag(parser)
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="CHECK", help="leave out checks: figures and map take the longest"
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
    mismatch = AsgdError(f"{options.results}: does not match: {', '.join(wrong)}; see the lines marked * above")
    if failed:
        print(*failed, sep="\n", file=sys.stderr)
        if wrong:
            print_error(mismatch)
        print(f"asgd: internal error in {len(failed)} checks, shown above; please report it", file=sys.stderr)
        sys.exit(INTERNAL_ERROR)
    if wrong:
        raise mismatch
