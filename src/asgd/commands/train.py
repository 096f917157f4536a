"""`asgd train`: flags for a person's run, a line of JSON for each run of a program's."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_flags, add_run_flags, collect, count, path, seconds
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from asgd.settings.folders import CHECKPOINTS, RUNS
from asgd.settings.order import Order
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate

COMMAND = Command(
    purpose="train",
    help="train one run or several runs",
    description="Train one run, described by flags, or several runs, described by lines of JSON. Each run writes its "
    "curve to metrics.csv and its settings and outcome to run.json.",
    examples=(
        "asgd train --num-workers 10 --data-source synthetic",
        "asgd train --num-workers 30 --momentum 0.9 --epochs 3 --out results/mine",
        "asgd train --each runs.jsonl --jobs 4",
    ),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Those of the run, of its images, and of several runs."""
    several = parser.add_argument_group("several runs")
    several.add_argument(
        "--each",
        type=path,
        metavar="FILE",
        help="train one run for each line of FILE (-: standard input). A line is a JSON object, as in "
        '{"run": {"num_workers": 8}, "data": {"source": "synthetic"}, "out": "m8"}: `run` and `data` hold keys of '
        "params.yaml, `out` names a folder. Missing keys have their defaults. Finished runs are skipped",
    )
    several.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="with --each: train N runs in parallel (default: %(default)s)",
    )
    several.add_argument(
        "--logs", type=path, metavar="DIR", help="with --each: write a log for each run, DIR/<run>.log"
    )
    several.add_argument(
        "--batch",
        type=path,
        metavar="FILE",
        help="with --each: write all runs into one file (.parquet) instead of a folder each. `out` is then a run's "
        "name in the log. Runs that FILE holds are skipped",
    )
    add_run_flags(parser)
    add_data_flags(parser)
    parser.add_argument(
        "--kernels",
        choices=["auto", "vector", "plain"],
        default="auto",
        metavar="auto|vector|plain",
        help="kernels of the fused engine: vector instructions, plain loops, or the faster of the two (default)",
    )
    parser.add_argument("--out", type=path, metavar="DIR", help=f"folder for the results (default: {RUNS}/<run>)")
    parser.add_argument(
        "--checkpoints",
        type=path,
        default=CHECKPOINTS,
        metavar="DIR",
        help="folder of the states from which a stopped run continues (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="save a checkpoint at most once in this time, at an evaluation (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Train; see ``asgd.runs.orders``."""
    settings = collect(options, RunConfig)
    data = collect(options, DataConfig, "data-")
    one_only = [name for name, given in (("a run", settings), ("images", data), ("--out", options.out)) if given]
    if options.each and one_only:
        raise AsgdError(f"--each: {options.each} describes the runs completely; leave out the flags of {one_only[0]}")
    if not options.each and (options.logs or options.batch or options.jobs > 1):
        raise AsgdError("--jobs, --logs and --batch need --each; leave them out for one run")

    from asgd.runs.orders import Setup, read_orders, train_order, train_orders

    setup = Setup(
        data_root=options.data_root,
        checkpoints=options.checkpoints,
        checkpoint_every=options.checkpoint_every,
        kernels=options.kernels,
        logs=options.logs,
        batch=options.batch,
    )
    if options.each:
        train_orders(read_orders(options.each), setup, options.jobs)
        return
    out = {"out": str(options.out)} if options.out else {}
    done = train_order(validate(Order, {"run": settings, "data": data, **out}, "asgd train"), setup)
    if done.checkpointer:
        done.checkpointer.discard()
