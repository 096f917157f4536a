"""`asgd replay`: a real run again, in the simulator, and whether it comes out the same."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_root_flag, path

COMMAND = Command(
    help="replay a real run in the simulator",
    description="Simulate the recorded schedule of a real run and compare the weights at every evaluation: identical, "
    "or where they part. On another kind of processor, or with other versions, they may differ in the last bits.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The run, and where images are."""
    parser.add_argument("folder", type=path, metavar="RUN", help="the folder of a run with `execution: real`")
    add_data_root_flag(parser, "where prepared images are kept (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Replay, and print a line."""
    from asgd.runs.replay import replay_run

    print(f"{options.folder}: {replay_run(options.folder, options.data_root)}")
