"""The sharpness along runs of the base settings, for several m and seeds, against what linear theory allows."""

import itertools
import math
from typing import Any

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given, Trained
from asgd.analyses.stability import find_threshold
from asgd.settings.analyses import Section, Setting
from asgd.settings.run import RunConfig
from asgd.settings.subjects import Subject
from asgd.tables.arms import change
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("learning_rate", "num_workers", "momentum")),
    needs=("run", "seeds", "configs", "settings"),
    probes=("sharpness",),
    tables={
        "sharpness": Table(
            rows="one for each m, seed and step at which the sharpness is measured",
            key=("num_workers", "seed", "step"),
            columns={
                "num_workers": "m, the number of workers",
                "seed": "seed of the run",
                "learning_rate": "eta",
                "step": "server steps taken",
                "epoch": "passes over the training set: step / steps per epoch",
                "sharpness": "largest eigenvalue of the loss's Hessian on training images; empty after an overflow",
                "limit": "largest sharpness at which the run is stable by linear theory: threshold / eta",
                "stability": "sharpness / limit: above 1 the run is unstable by linear theory",
            },
        )
    },
)
SECTION = Section(
    "for which runs, and when, the sharpness is measured (`sharpness.csv`)",
    {
        "num_seeds": Setting(3, "seeds: the first ones of the preset", at_least=1),
        "num_workers": Setting([10, 30, 100], "m measured in addition to m = 1, if the map has them"),
        "epochs": Setting(
            [0, 0.25, 0.5, 1, 2, 3],
            "when, in ascending order; times after a run's end are left out",
            at_least=0,
            ascending=True,
        ),
        "num_images": Setting(500, "training images over which the loss is taken", at_least=1),
    },
)


def plan(given: Given) -> list[RunConfig]:
    """A run for each m and seed, to the last epoch that is asked for."""
    mapped = {config.num_workers for config in given.configs}
    workers = sorted({1} | (set(given.settings.num_workers) & mapped))
    seeds = given.seeds[: given.settings.num_seeds]
    return [_configure(given, m, seed) for m, seed in itertools.product(workers, seeds)]


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The table of all runs of ``plan``."""
    rows = [row for config in plan(given) for row in list_sharpness(config, given.trained(config))]
    return {"sharpness": pd.DataFrame(rows, columns=list(ANALYSIS.tables["sharpness"].columns))}, {}


def list_sharpness(config: RunConfig, run: Trained) -> list[dict[str, float]]:
    """A row for each epoch at which ``run``, of ``config``, was to be probed for its sharpness; none after its end."""
    momentum = (config.momentum, config.momentum_where, config.momentum_convention)
    limit = find_threshold(config.num_workers, *momentum) / config.learning_rate
    names = {"num_workers": config.num_workers, "seed": config.seed, "learning_rate": config.learning_rate}
    rows = []
    for epoch in config.probes["sharpness"].epochs:
        step = round(epoch * run.record["steps_per_epoch"])
        if step > run.record["total_steps"]:
            continue
        # A run that ended early stays at its last weights.
        found = run.probes["sharpness"].get(step, run.probes["sharpness"].iloc[-1])
        place = {"step": step, "epoch": step / run.record["steps_per_epoch"]}
        rows.append({**names, **place, "sharpness": found, "limit": limit, "stability": found / limit})
    return rows


def _configure(given: Given, num_workers: int, seed: int) -> RunConfig:
    base, settings = given.base, given.settings
    # How many epochs a length in steps is, the images decide.
    epochs = [epoch for epoch in settings.epochs if base.steps or epoch <= base.epochs]
    length = base.epochs if base.steps else min(base.epochs, max(1, math.ceil(max(epochs, default=0))))
    probes = {"sharpness": {"epochs": epochs, "num_images": settings.num_images}}
    return change(base, num_workers=num_workers, seed=seed, epochs=length, probes=probes)
