"""`asgd compile`: the fused engine, before jobs ask for it."""

import argparse

from asgd.commands.command import Command

COMMAND = Command(
    purpose="maintenance",
    help="compile the fused engine before the first run",
    description="Compile the fused engine, unless this was done before, and print the folder of the result.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> None:
    """Compile."""
    from asgd.simulator.fused import cache_directory, choose_kernels, compile_once

    compile_once()
    print(f"{cache_directory()}: {choose_kernels()} kernels")
