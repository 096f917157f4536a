"""`asgd bench`: how fast the engines are here."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import path

COMMAND = Command(
    help="measure the engines' speed",
    description="Time the engines side by side, on one thread, against the naive paper-style simulator.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Where the numbers go."""
    parser.add_argument("--json", type=path, metavar="FILE", help="also write all numbers to FILE")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    from asgd.files import write_json
    from asgd.simulator.benchmark import format_benchmark, run_benchmark

    found = run_benchmark()
    print(format_benchmark(found))
    if options.json:
        write_json(options.json, found)
