"""`asgd replay`: a real run again, in the simulator, and whether it comes out the same."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_root_flag, path

COMMAND = Command(
    purpose="real",
    help="simulate a real run again and compare the weights",
    description="Simulate the recorded schedule of a real run and compare the weights at each evaluation. Prints "
    "whether they are identical, or where they first differ. On another processor, or with other versions of the "
    "libraries, the last bits may differ.",
    examples=("asgd replay results/runs/RUN",),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The run, and where images are."""
    parser.add_argument("folder", type=path, metavar="RUN", help="the folder of a run with `execution: real`")
    add_data_root_flag(parser)


def run(options: argparse.Namespace) -> None:
    """Replay, and print a line."""
    from asgd.runs.replay import replay_run

    print(f"{options.folder}: {replay_run(options.folder, options.data_root)}")
