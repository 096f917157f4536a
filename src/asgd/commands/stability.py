"""`asgd stability`: is it the learning rate, the delay, or a bug?"""

import argparse
import math
from typing import Any

from asgd.commands.command import Command
from asgd.commands.flags import add_data_flags, add_run_flags, collect, path
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys
from asgd.settings.validation import validate

COMMAND = Command(
    purpose="train",
    help="find the largest stable learning rate",
    description="Find the largest learning rate with which training is stable near a minimum of a given sharpness (the "
    "largest curvature of the loss). Judge a learning rate: stable, marginal (within 5 % of the limit, or within its "
    "uncertainty) or not stable. An unstable run moves to a flatter region, or fails. The limit ignores mini-batch "
    "noise, which lowers it. It depends only on the workers, the schedule and the momentum. The other flags of a run "
    "need --measure.",
    examples=(
        "asgd stability --num-workers 100 --learning-rate 0.01 --sharpness 20",
        "asgd stability --num-workers 10 --learning-rate 0.01 --measure",
    ),
)
MEASURED_EPOCHS = 0.25
_THEORY = {
    *("num_workers", "momentum", "momentum_where", "momentum_convention", "learning_rate"),
    *ScheduleKeys.model_fields,
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Those of the run, and of the images for --measure."""
    curvature = parser.add_mutually_exclusive_group()
    curvature.add_argument(
        "--sharpness", type=_positive, metavar="LAMBDA", help="the largest eigenvalue of the Hessian of the loss"
    )
    curvature.add_argument(
        "--measure",
        action="store_true",
        help="measure the sharpness on 500 training images, after one worker has trained without momentum for "
        f"{MEASURED_EPOCHS:g} epochs (or for --epochs or --steps)",
    )
    parser.add_argument("--json", type=path, metavar="FILE", help="also write the numbers to FILE")
    add_run_flags(parser)
    add_data_flags(parser)


def run(options: argparse.Namespace) -> None:
    """Find the limit, judge, print."""
    settings, data = collect(options, RunConfig), collect(options, DataConfig, "data-")
    config = validate(RunConfig, settings, "asgd stability")
    unused = [*(set(settings) - _THEORY), *(f"data-{name}" for name in data)]
    if unused and not options.measure:
        flag = min(unused).replace("_", "-")
        raise AsgdError(f"--{flag}: has an effect only with --measure; add --measure, or leave it out")

    from asgd.analyses.stability.advice import advice_to_json, advise, format_advice
    from asgd.files import write_json
    from asgd.terminal import show

    sharpness, source, rate = options.sharpness, "", settings.get("learning_rate")
    if options.measure:
        sharpness, source = _measure(options, settings, data)
        rate = config.learning_rate
    advice = advise(config, rate, sharpness)
    show(format_advice(advice, source))
    if options.json:
        write_json(options.json, advice_to_json(advice))


def _measure(options: argparse.Namespace, settings: dict[str, Any], data: dict[str, Any]) -> tuple[float, str]:
    from asgd.analyses.stability.measure import measure_after_run
    from asgd.data import load_data, prepare_data

    short = {"epochs": MEASURED_EPOCHS, "train_eval_images": 0, **settings}
    dataset = load_data(prepare_data(validate(DataConfig, data, "asgd stability: data"), options.data_root))
    return measure_after_run(validate(RunConfig, short, "asgd stability"), dataset)


def _positive(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a sharpness; give a number above 0")
    return found
