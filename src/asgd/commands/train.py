"""`asgd train`: flags for a person's run, a line of JSON for each run of a program's."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_flags, add_model_flags, collect, count, path, seconds
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from asgd.settings.folders import CHECKPOINTS, RUNS
from asgd.settings.order import Order
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate

COMMAND = Command(
    help="train one run, or several",
    description="Train one run, given by flags, or several, given by lines of JSON; write metrics.csv and run.json.",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Those of the run, of its images, and of several runs."""
    several = parser.add_argument_group("several runs, which share the start")
    several.add_argument(
        "--each",
        type=path,
        metavar="FILE",
        help="train a run for each line of FILE (-: standard input), a JSON object: `run` and `data` hold keys of "
        '`run` and `data` in params.yaml, `out` a folder, as in {"run": {"num_workers": 8}, "data": {"source": '
        '"synthetic"}, "out": "m8"}. Keys left out have their defaults. Finished runs are left as they are',
    )
    several.add_argument(
        "--jobs", type=count, default=1, metavar="N", help="with --each: processes that train (default: %(default)s)"
    )
    several.add_argument(
        "--logs", type=path, metavar="DIR", help="with --each: write DIR/<run>.log, a file for each run"
    )
    add_model_flags(parser.add_argument_group("run (keys of `run` in params.yaml)"), RunConfig)
    add_data_flags(parser)
    parser.add_argument(
        "--kernels",
        choices=["auto", "vector", "plain"],
        default="auto",
        help="kernels of the fused engine: explicit vectors, plain loops, or what the machine is best at (default)",
    )
    parser.add_argument("--out", type=path, metavar="DIR", help=f"folder for the results (default: {RUNS}/<run>)")
    parser.add_argument(
        "--checkpoints",
        type=path,
        default=CHECKPOINTS,
        metavar="DIR",
        help="where a killed run finds its last state when it is started again (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="least time between two checkpoints, which are taken at evaluations (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Train; see ``asgd.runs.orders``."""
    settings = collect(options, RunConfig)
    data = collect(options, DataConfig, "data-")
    one_only = [name for name, given in (("a run", settings), ("images", data), ("--out", options.out)) if given]
    if options.each and one_only:
        raise AsgdError(f"--each: {options.each} says all of each run; leave out the flags of {one_only[0]}")
    if not options.each and (options.logs or options.jobs > 1):
        raise AsgdError("--jobs and --logs go with --each; leave them out for one run")

    from asgd.runs.orders import Setup, read_orders, train_order, train_orders

    setup = Setup(
        data_root=options.data_root,
        checkpoints=options.checkpoints,
        checkpoint_every=options.checkpoint_every,
        kernels=options.kernels,
        logs=options.logs,
    )
    if options.each:
        train_orders(read_orders(options.each), setup, options.jobs)
        return
    out = {"out": str(options.out)} if options.out else {}
    done = train_order(validate(Order, {"run": settings, "data": data, **out}, "asgd train"), setup)
    if done.checkpointer:
        done.checkpointer.discard()
