"""Which runs share a training job, and with it the start of a process, and which share a file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from asgd.files import write_text
from asgd.runs.batch import name_batch
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import Run

#: Seconds until a job trains: Python and its libraries here; on a cluster its queue, and Snakemake there, too.
START, START_ON_CLUSTER = 1.5, 15.0
#: The most of a job that its start may be.
SHARE = 0.1
#: The most runs of a job.
MOST = 100
# The fast engine's speed where it is fastest, with evaluations, and CIFAR-10's training set, for images that are not
# counted yet.
_IMAGES_PER_SECOND = 30_000
_IMAGES = 50_000
#: How many times as long as expected a run may take on a slow machine.
_SLOW = 20


def cut_batches(
    runs: Sequence[Run], data: DataConfig, runs_per_job: int | Literal["auto"], start: float, cores: int | None = None
) -> list[list[Run]]:
    """``runs`` on the images of ``data``, in their order, cut into jobs of ``runs_per_job``.

    ``auto``: a job ends with the run by which ``start``, in seconds, is expected to be less than ``SHARE`` of it, or by
    which it has its part of the work of ``cores``; at the latest with run number ``MOST``.
    """
    seconds = [_expect_seconds(run, data) for run in runs]
    enough = start / SHARE - start
    if cores:
        enough = min(enough, sum(seconds) / cores)
    batches: list[list[Run]] = []
    work, size = enough, 0
    for run, expected in zip(runs, seconds, strict=True):
        if (work >= enough or size == MOST) if runs_per_job == "auto" else size == runs_per_job:
            work, size = 0.0, 0
        if size == 0:
            batches.append([])
        batches[-1].append(run)
        work, size = work + expected, size + 1
    return batches


def write_orders(runs: Sequence[Run], data: DataConfig, runs_per_batch: int, folder: Path) -> dict[str, list[Run]]:
    """Cut ``runs`` into batches, by name, and write the orders of each to ``folder``.

    A job finds its orders there, wherever it starts. The orders of one that is there already are left as they are.
    """
    cut = [list(runs[start : start + runs_per_batch]) for start in range(0, len(runs), runs_per_batch)]
    batches = {name_batch([run.name for run in batch]): batch for batch in cut}
    for name, batch in batches.items():
        file = order_file(name, folder)
        if not file.exists():
            orders = (Order(run=run.config, data=data, out=run.name).to_json() for run in batch)
            write_text(file, "".join(f"{order}\n" for order in orders))
    return batches


def order_file(batch: str, folder: Path) -> Path:
    """Where the orders of a batch are."""
    return folder / f"{batch}.jsonl"


def expect_minutes(runs: Iterable[Run], data: DataConfig) -> int:
    """A limit for a job of these runs: several times what they are expected to take, and an hour."""
    return 60 + round(sum(_expect_seconds(run, data) for run in runs) * _SLOW / 60)


def _expect_seconds(run: Run, data: DataConfig) -> float:
    """About how long the run takes by the fast engine; by another it is longer, and its batch too."""
    config = run.config
    images = config.num_images or (data.num_train if data.source == "synthetic" else _IMAGES)
    batch_size = images if config.batch_size == "full" else config.batch_size
    return (config.steps * batch_size if config.steps else config.epochs * images) / _IMAGES_PER_SECOND
