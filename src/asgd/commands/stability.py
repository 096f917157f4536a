"""`asgd stability`: is it the learning rate, the delay, or a bug?"""

import argparse
import math
from typing import Any

from asgd.commands.command import Command
from asgd.commands.flags import add_data_flags, add_model_flags, collect, path
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys
from asgd.settings.validation import validate

COMMAND = Command(
    help="say which learning rates are stable with so many workers",
    description="Say up to which learning rate training is stable near a minimum of a given sharpness (the largest "
    "curvature of the loss), and judge a rate: stable, marginal (within 5 % of the limit, or within its uncertainty) "
    "or not stable. A run that is not stable where it is leaves for flatter ground, or fails. Mini-batch noise is left "
    "out; it lowers the limit.",
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
        "--sharpness", type=_positive, metavar="LAMBDA", help="the largest eigenvalue of the loss's Hessian, if known"
    )
    curvature.add_argument(
        "--measure",
        action="store_true",
        help=f"train one worker without momentum, for {MEASURED_EPOCHS:g} epochs unless --epochs or --steps are given, "
        "and measure its sharpness on 500 training images",
    )
    parser.add_argument("--json", type=path, metavar="FILE", help="also write all numbers to FILE")
    about = (
        "run (keys of `run` in params.yaml); all but workers, momentum, schedule and learning rate are for --measure"
    )
    add_model_flags(parser.add_argument_group(about), RunConfig)
    add_data_flags(parser)


def run(options: argparse.Namespace) -> None:
    """Find the limit, judge, print."""
    settings, data = collect(options, RunConfig), collect(options, DataConfig, "data-")
    config = validate(RunConfig, settings, "asgd stability")
    unused = [*(set(settings) - _THEORY), *(f"data-{name}" for name in data)]
    if unused and not options.measure:
        flag = min(unused).replace("_", "-")
        raise AsgdError(f"--{flag}: is for --measure; add --measure, or leave it out")

    from asgd.analyses.stability.advice import advice_to_json, advise, format_advice
    from asgd.files import write_json

    sharpness, source, rate = options.sharpness, "", settings.get("learning_rate")
    if options.measure:
        sharpness, source = _measure(options, settings, data)
        rate = config.learning_rate
    advice = advise(config, rate, sharpness)
    print(format_advice(advice, source))
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
