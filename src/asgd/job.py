"""One training job: images and a configuration in, ``metrics.csv`` and ``run.json`` out."""

import time

from asgd.checkpoint import Checkpoint, Checkpointer, continue_run
from asgd.config import RunConfig
from asgd.data import Dataset
from asgd.engines import build_engine
from asgd.errors import AsgdError
from asgd.run_folder import Result, describe_run
from asgd.simulator.simulate import Row, Schedule


class Watcher:
    """Told of a run's progress; this one ignores it."""

    def on_steps(self, num_steps: int, loss: float) -> None:
        """``num_steps`` more server steps were taken, with this mean training loss."""

    def on_row(self, row: Row) -> None:
        """The run was evaluated."""

    def on_resume(self, row: Row) -> None:
        """The run goes on after this row, from a checkpoint."""


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
    return Schedule(total, steps_per_epoch, config.evaluations_per_epoch)


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
