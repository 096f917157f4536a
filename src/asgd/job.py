"""One training job: images and a configuration in, ``metrics.csv`` and ``run.json`` out."""

import csv
import hashlib
import io
import math
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from asgd.architecture import num_parameters
from asgd.checkpoint import Checkpoint, Checkpointer, continue_run
from asgd.config import MOST_EVALUATIONS, Run, RunConfig
from asgd.data import Dataset
from asgd.errors import AsgdError
from asgd.files import remove_leftovers, write_json, write_text
from asgd.provenance import describe_hardware, describe_versions, fingerprint_sources, measure_free_memory
from asgd.simulator.engine import Engine
from asgd.simulator.outcome import classify_outcome
from asgd.simulator.simulate import COLUMNS, Row, Schedule

#: The files of a finished run.
FILES = ("metrics.csv", "run.json")


class Watcher:
    """Told of a run's progress; this one ignores it."""

    def on_steps(self, num_steps: int, loss: float) -> None:
        """``num_steps`` more server steps were taken, with this mean training loss."""

    def on_row(self, row: Row) -> None:
        """The run was evaluated."""

    def on_resume(self, row: Row) -> None:
        """The run goes on after this row, from a checkpoint."""


@dataclass(frozen=True)
class Result:
    """What a training job returns: the rows of metrics.csv and the contents of run.json."""

    rows: list[Row]
    record: dict[str, Any]


def identify_run(config: RunConfig, data_fingerprint: str) -> Run:
    """The run of ``config`` on the images with this fingerprint, by the sources that are installed."""
    return Run.identify(config, data_fingerprint, fingerprint_sources(config.resolved_engine()[0]))


def plan_schedule(config: RunConfig, num_train: int) -> Schedule:
    """Steps and evaluations of a run on ``num_train`` images. Raises AsgdError where the numbers do not fit."""
    steps_per_epoch = num_train // config.batch_size
    if steps_per_epoch == 0:
        raise AsgdError(f"batch_size = {config.batch_size}: larger than the training set of {num_train} images")
    if config.train_eval_images > num_train:
        raise AsgdError(f"train_eval_images = {config.train_eval_images}: the training set has only {num_train} images")
    total = config.steps or round(config.epochs * steps_per_epoch)
    if config.num_workers > total:
        raise AsgdError(
            f"num_workers = {config.num_workers}: more than the {total} steps of the run, so some workers would never "
            "be heard; train longer or take fewer"
        )
    if total * config.evaluations_per_epoch > MOST_EVALUATIONS * steps_per_epoch:
        raise AsgdError(
            f"steps = {total:,} with evaluations_per_epoch = {config.evaluations_per_epoch:,} are more than "
            f"{MOST_EVALUATIONS:,} evaluations; take fewer"
        )
    return Schedule(total, steps_per_epoch, config.evaluations_per_epoch)


def check_memory(config: RunConfig) -> None:
    """Raise AsgdError where the workers' copies of the weights need more memory than the machine has left."""
    # The reference engine keeps a velocity for each worker whether it has momentum or not.
    at_workers = config.resolved_engine()[0] == "reference" or (config.momentum and config.momentum_where == "worker")
    needed = config.num_workers * num_parameters(config.pools) * 4 * (2 if at_workers else 1)
    free = measure_free_memory()
    if config.device == "cpu" and needed > free:
        raise AsgdError(
            f"num_workers = {config.num_workers:,}: their weights take {needed / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free; take fewer, or a machine with more"
        )


def build_engine(config: RunConfig, dataset: Dataset, variant: str = "auto") -> Engine:
    """The engine that the configuration asks for, at step 0; ``variant`` forces one of the fused engine's."""
    check_memory(config)
    # Engines are imported here: PyTorch takes seconds, and the fused one does without it.
    if config.resolved_engine()[0] == "fused":
        from asgd.simulator.fused import FusedEngine, compile_once

        compile_once(variant)
        return FusedEngine(config, dataset.train_images, dataset.train_labels, variant=variant)
    import torch

    from asgd.simulator.reference import ReferenceEngine

    if config.device != "cpu" and not torch.cuda.is_available():
        raise AsgdError(f"device = {config.device}: PyTorch finds no such device here; use cpu")
    torch.set_num_threads(1)  # runs are parallel, not the 62,006 weights of one
    return ReferenceEngine(config, dataset.train_images, dataset.train_labels)


def train_run(
    config: RunConfig,
    dataset: Dataset,
    watcher: Watcher | None = None,
    variant: str = "auto",
    checkpointer: Checkpointer | None = None,
) -> Result:
    """Train one run to its end, from its first step or from the checkpoint that ``checkpointer`` has of it.

    ``variant`` forces one of the fused engine's; see there.
    """
    watcher = watcher or Watcher()
    schedule = plan_schedule(config, len(dataset.train_images))
    engine = build_engine(config, dataset, variant)
    saved = checkpointer.load(engine.variant) if checkpointer else Checkpoint.none(engine.variant)
    rows, start = list(saved.rows), time.perf_counter() - saved.seconds
    if rows:
        watcher.on_resume(rows[-1])
    for row in continue_run(engine, dataset, schedule, config.train_eval_images, saved, watcher.on_steps):
        rows.append(row)
        watcher.on_row(row)
        if checkpointer and row.step < schedule.total_steps:
            checkpointer.offer(rows, engine, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if checkpointer:
        checkpointer.finish(rows, engine.variant, seconds)
    return Result(rows, describe_run(config, dataset, engine.variant, schedule, rows, seconds))


def describe_run(
    config: RunConfig, dataset: Dataset, variant: str, schedule: Schedule, rows: Sequence[Row], seconds: float
) -> dict[str, Any]:
    """The contents of run.json: what was asked for, by what and on what it ran, and how it ended."""
    last = rows[-1]
    name, why = config.resolved_engine()
    return {
        "run": identify_run(config, dataset.fingerprint).name,
        "arm": config.arm(),
        "config": config.model_dump(),
        "data": {key: getattr(dataset, key) for key in ("source", "description", "fingerprint", "content")},
        "sources": fingerprint_sources(name),
        "engine": {"name": name, "variant": variant, "why": why},
        "versions": describe_versions(),
        "hardware": describe_hardware(),
        "outcome": classify_outcome(last.test_accuracy, last.zero_gradient_share, last.is_finite),
        "stopped_early": last.step < schedule.total_steps,
        "last_step": last.step,
        "total_steps": schedule.total_steps,
        "steps_per_epoch": schedule.steps_per_epoch,
        "wall_seconds": round(seconds, 3),
        "steps_per_second": round(last.step / seconds, 1),
        "final": {key: _number(getattr(last, key)) for key in ("test_accuracy", "test_loss", "train_loss")},
    }


def write_run(result: Result, folder: Path) -> None:
    """Write ``folder``/metrics.csv, then run.json with the checksum of it; each is whole or absent."""
    text = format_metrics(result.rows)
    for name in FILES:
        remove_leftovers(folder / name)  # of a job that was killed while it wrote
    write_text(folder / "metrics.csv", text)
    write_json(folder / "run.json", result.record | {"metrics_sha256": hashlib.sha256(text.encode()).hexdigest()})


def is_finished(folder: Path) -> bool:
    """Whether the run's files are there."""
    return all((folder / name).exists() for name in FILES)


def format_metrics(rows: Sequence[Row]) -> str:
    """metrics.csv: full precision, an empty cell where there is no value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_number(value) for value in astuple(row)] for row in rows)
    return buffer.getvalue()


def _number(value: float) -> float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
