"""`asgd fit-latency`: simulate workers like those of a real run."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import path

COMMAND = Command(
    help="describe the times of a real run, to simulate more workers like its own",
    description="Find the keys of `schedule: latency` that describe the recorded times of a real run, so that other "
    "numbers of workers can be simulated before they are rented. Prints lines for `run` in params.yaml; in comments "
    "the unit of time, and what was recorded beside what is simulated with these keys.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The recording."""
    parser.add_argument("schedule", type=path, metavar="SCHEDULE.CSV", help="the schedule.csv of a real run")


def run(options: argparse.Namespace) -> None:
    """Fit, and print."""
    from asgd.analyses.latency_fit import fit_latency, format_fit
    from asgd.analyses.recorded_times import read_recording

    print(format_fit(fit_latency(read_recording(options.schedule), str(options.schedule))))
