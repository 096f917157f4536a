"""`asgd bench`: how fast the engines are here."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import path

COMMAND = Command(
    purpose="maintenance",
    help="measure how fast the engines are on this machine",
    description="Time the engines on one thread and compare them with a naive simulator, written as the paper "
    "describes it. This takes some minutes.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Where the numbers go."""
    parser.add_argument("--json", type=path, metavar="FILE", help="also write the numbers to FILE")


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    from asgd.files import write_json
    from asgd.simulator.benchmark import format_benchmark, run_benchmark

    found = run_benchmark()
    print(format_benchmark(found))
    if options.json:
        write_json(options.json, found)
