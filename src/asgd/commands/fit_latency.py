"""`asgd fit-latency`: simulate workers like those of a real run."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import path

COMMAND = Command(
    purpose="real",
    help="fit a latency model to a real run",
    description="Fit the keys of `schedule: latency` to the recorded times of a real run. With these keys you can "
    "simulate other numbers of workers before you rent them. The output can be copied to `run` in params.yaml. Its "
    "comments give the unit of time and compare the recording with a simulation.",
    examples=("asgd fit-latency results/runs/RUN/schedule.csv",),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The recording."""
    parser.add_argument("schedule", type=path, metavar="SCHEDULE.CSV", help="the schedule.csv of a real run")


def run(options: argparse.Namespace) -> None:
    """Fit, and print."""
    from asgd.analyses.latency_fit import fit_latency, format_fit
    from asgd.analyses.recorded_times import read_recording

    print(format_fit(fit_latency(read_recording(options.schedule), str(options.schedule))))
