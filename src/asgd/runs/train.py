"""One training job: images and a configuration in, the contents of a run's files out."""

import time

from asgd.data import Dataset
from asgd.runs.checkpoint import Checkpointer
from asgd.runs.folder import Result, describe_run
from asgd.settings.run import RunConfig
from asgd.simulator.continuation import Checkpoint, continue_run
from asgd.simulator.engine import Engine
from asgd.simulator.engines import attach_probes, describe_execution, open_engine
from asgd.simulator.simulate import Row, plan_evaluations


class Watcher:
    """Told of a run's progress; this one ignores it."""

    def on_gradients(self, num_gradients: int, loss: float) -> None:
        """``num_gradients`` more were charged, with this mean training loss."""

    def on_row(self, row: Row) -> None:
        """The run was evaluated."""

    def on_resume(self, row: Row) -> None:
        """The run goes on after this row, from a checkpoint."""


def train_run(
    config: RunConfig,
    dataset: Dataset,
    watcher: Watcher | None = None,
    kernels: str = "auto",
    checkpointer: Checkpointer | None = None,
    recorded: RunConfig | None = None,
) -> Result:
    """Train one run to its end, from its first step or from the checkpoint that ``checkpointer`` has of it.

    ``kernels`` forces one of the fused engine's; see there. ``recorded``: the simulated run that a replay is.
    """
    watcher = watcher or Watcher()
    with open_engine(config, dataset, kernels, recorded) as engine:
        return _train(config, dataset, engine, watcher, checkpointer)


def _train(
    config: RunConfig, dataset: Dataset, engine: Engine, watcher: Watcher, checkpointer: Checkpointer | None
) -> Result:
    plan = plan_evaluations(config, len(dataset.train_images))
    probed = attach_probes(engine, config, dataset)
    found = probed.found if probed else dict
    saved = checkpointer.load(engine.backend) if checkpointer else Checkpoint.none(engine.backend)
    rows, start = list(saved.rows), time.perf_counter() - saved.seconds
    if rows:
        watcher.on_resume(rows[-1])
    if probed:
        probed.resume(saved.probes)
    for row in continue_run(probed or engine, dataset, plan, config.train_eval_images, saved, watcher.on_gradients):
        rows.append(row)
        watcher.on_row(row)
        if checkpointer and row.gradients < plan.total:
            checkpointer.offer(rows, engine, time.perf_counter() - start, found)
    if probed:
        probed.end()
    seconds = time.perf_counter() - start
    tally = engine.tally
    if saved.tally and not saved.engine:  # it was finished before
        tally.restore(saved.tally)
    if checkpointer:
        checkpointer.finish(rows, engine.backend, seconds, found, tally)
    record = describe_run(config, dataset, engine.backend, plan, rows, tally, seconds)
    about, schedule = describe_execution(config, engine)
    return Result(rows, record | about, probed.rows if probed else [], schedule)
