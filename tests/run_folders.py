"""Folders of finished runs as `asgd train` leaves them, made without training."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asgd.data import source_fingerprint
from asgd.runs.sources import fingerprint_run
from asgd.settings.data import DataConfig
from asgd.settings.run import Run, RunConfig
from asgd.tables.columns import METRICS

LN10 = math.log(10)
STEPS = [0, 25, 50, 75, 100]  # one epoch of 100 steps, four evaluations
DATA, SOURCES = "0" * 64, "1" * 64  # fingerprints of no images and no sources


def render_run(
    accuracy: float = 0.5,
    outcome: str = "trained",
    last_step: int = 100,
    without: str = "",
    data: str = DATA,
    sources: str = SOURCES,
    description: str = "none",
    **settings: Any,
) -> tuple[str, dict[str, bytes]]:
    """The name and the files of a finished run of ``settings``; the metrics that start with ``without`` are empty.

    An epoch has 100 steps; ``last_step`` is given in hundredths of the run.
    """
    config = RunConfig(**settings)
    name = Run.identify(config, data, sources).name
    total = config.steps or round(100 * config.epochs)
    metrics = tabulate_metrics(accuracy, outcome, last_step)
    metrics["step"] = metrics["step"] * total // 100
    metrics["epoch"] = metrics["step"] / 100
    metrics.loc[:, [column for column in metrics if without and column.startswith(without)]] = np.nan
    text = metrics.to_csv(index=False).encode()
    record = {
        "run": name,
        "arm": config.arm(),
        "config": config.model_dump(),
        "data": {"source": "synthetic", "description": description, "fingerprint": data, "content": data},
        "sources": sources,
        "engine": {"name": config.resolved_engine()[0], "variant": "cpu", "why": "asked for"},
        "outcome": outcome,
        "stopped_early": last_step < 100,
        "last_step": last_step * total // 100,
        "total_steps": total,
        "steps_per_epoch": 100,
        "versions": {"python": "3"},
        "hardware": {"cpu": "none"},
        "wall_seconds": 2.0,
        "steps_per_second": 50.0,
        "metrics_sha256": hashlib.sha256(text).hexdigest(),
    }
    return name, {"metrics.csv": text, "run.json": json.dumps(record).encode()}


def write_run(root: Path, **about: Any) -> Path:
    """The folder in ``root`` of what ``render_run`` gives."""
    name, files = render_run(**about)
    (root / name).mkdir(parents=True)
    for file, content in files.items():
        (root / name / file).write_bytes(content)
    return root / name


def write_planned(root: Path, run: Run, images: DataConfig) -> Path:
    """The folder of a run that a study on ``images`` asks for."""
    sources = fingerprint_run(run.config)
    return write_run(root, data=source_fingerprint(images), sources=sources, **run.config.model_dump())


def tabulate_metrics(accuracy: float, outcome: str, last_step: int) -> pd.DataFrame:
    steps = np.array([step for step in STEPS if step <= last_step])
    frame = pd.DataFrame({"step": steps, "epoch": steps / 100, **dict.fromkeys(METRICS, 1.0)})
    frame["test_accuracy"] = 0.1 + (accuracy - 0.1) * steps / 100
    frame.loc[0, ["train_loss", "gradient_norm", "zero_gradient_share"]] = np.nan
    if outcome == "dead":
        frame.loc[len(frame) - 1, ["train_loss", "test_loss", "gradient_norm", "zero_gradient_share"]] = [
            LN10,
            LN10,
            0,
            1,
        ]
    if outcome == "non_finite":
        frame.loc[len(frame) - 1, list(METRICS)] = np.nan
    return frame
