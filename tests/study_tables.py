"""Tables of the study's further experiments, in the form that aggregation writes, with outcomes that are known."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from asgd.settings.run import RunConfig
from asgd.tables.aggregate import summarize_arms, summarize_curves
from asgd.tables.table import Tables

LN10 = math.log(10)
MAP_VARIANTS: list[dict[str, Any]] = [
    {"momentum": 0.0},
    *(
        {"momentum": 0.9, "momentum_where": where, "momentum_convention": convention}
        for where, convention in (("server", "pytorch"), ("server", "ema"), ("worker", "ema"))
    ),
]
PER_EPOCH = 100  # steps

#: Final accuracy and outcome of a run.
Result = tuple[float, str]


def make_study(
    configs: Iterable[RunConfig], experiment: str, result: Callable[[RunConfig], Result], noise: float = 0.002
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and evaluations; accuracies rise to what ``result`` says, the noise of a run does not change in time."""
    runs, evaluations = [], []
    for config in configs:
        accuracy, outcome = result(config)
        shift = noise * np.random.default_rng([config.seed, int(config.arm(), 16)]).normal()
        shift *= outcome == "trained"
        name = f"{config.slug()}-{config.arm()}"
        curve = _make_curve(config, accuracy + shift, outcome)
        names = {"run": name, "arm": config.arm(), "seed": config.seed}
        evaluations.append(curve.assign(**names))
        ends = {"outcome": outcome, "total_steps": curve["step"].iloc[-1], "last_step": curve["step"].iloc[-1]}
        final = {"final_test_accuracy": accuracy + shift, "final_test_loss": curve["test_loss"].iloc[-1]}
        runs.append({**config.hashed(), **names, "experiments": experiment, **ends, **final})
    return pd.DataFrame(runs), pd.concat(evaluations, ignore_index=True)


def make_tables(runs: pd.DataFrame, evaluations: pd.DataFrame) -> Tables:
    """What figures read, made as the pipeline makes it."""
    return {"arms": summarize_arms(runs), "curves": summarize_curves(evaluations), "evaluations": evaluations}


def map_configs(rates: Iterable[float], workers: Iterable[int], seeds: int) -> list[RunConfig]:
    """The runs of a map of these rates and m, with all kinds of momentum."""
    return [
        RunConfig(learning_rate=rate, num_workers=m, epochs=3, seed=seed, engine="fused", **variant)
        for rate in rates
        for m in workers
        for variant in MAP_VARIANTS
        for seed in range(seeds)
    ]


def _make_curve(config: RunConfig, accuracy: float, outcome: str) -> pd.DataFrame:
    epoch = np.arange(config.evaluations_per_epoch * config.epochs + 1) / config.evaluations_per_epoch
    done = 1 - np.exp(-5 * epoch / epoch[-1])
    train = LN10 - 3 * (accuracy - 0.1) * done
    started = epoch > 0
    zero = np.where(started, float(outcome == "dead"), np.nan)
    return pd.DataFrame(
        {
            "step": np.round(PER_EPOCH * epoch).astype(int),
            "epoch": epoch,
            "train_loss": np.where(started, train, np.nan),
            "train_eval_loss": train,
            "train_eval_accuracy": 0.1 + (accuracy - 0.1) * done,
            "test_loss": train + 0.4 * done**2 * (outcome == "trained") * (1 - config.dropout),
            "test_accuracy": np.where(started, 0.1 + (accuracy - 0.1) * np.minimum(1, 3 * done), 0.1),
            "gradient_norm": np.where(started, 1.0, np.nan) * (outcome != "dead"),
            "zero_gradient_share": zero,
            "staleness_displacement": 0.1,
            "zero_logit_share": np.where(started, float(outcome == "dead"), 0.0),
        }
    )
