"""Training jobs as a user orders them: one run, or several in one process, from configuration to written results."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asgd.data import Dataset, load_data, prepare_data
from asgd.errors import AsgdError
from asgd.logs import log_output, print_error
from asgd.runs.checkpoint import Checkpointer
from asgd.runs.folder import write_run
from asgd.runs.progress import ProgressWatcher
from asgd.runs.sources import identify_run
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.simulate import plan_schedule


@dataclass(frozen=True)
class Order:
    """A run to train, where its images come from and where its results go."""

    config: RunConfig
    data: DataConfig
    data_root: Path  #: of the prepared images
    pool: Path  #: the folder of the runs' folders
    out: Path | None  #: the run's folder; else one in ``pool``
    variant: str  #: of the fused engine
    checkpoints: Path  #: folder
    checkpoint_every: float  #: seconds

    @property
    def name(self) -> str:
        """What a log of it is called."""
        return self.out.name if self.out else f"{self.config.slug()}-{self.config.arm()}"


def open_data(data: DataConfig, root: Path) -> Dataset:
    """The images, prepared if they are not."""
    return load_data(prepare_data(data, root))


def train_one(order: Order, opener: Callable[[DataConfig, Path], Dataset] = open_data) -> Checkpointer:
    """Train the run, or finish it from its checkpoint, and write its results; the checkpoint is still there then."""
    dataset = opener(order.data, order.data_root)
    run = identify_run(order.config, dataset.fingerprint).name
    folder = order.out or order.pool / run
    checkpointer = Checkpointer(order.checkpoints / f"{run}.npz", order.checkpoint_every)
    with ProgressWatcher(plan_schedule(order.config, len(dataset.train_images)).total_steps) as watcher:
        result = train_run(order.config, dataset, watcher, order.variant, checkpointer)
    write_run(result, folder)
    record = result.record
    if record["stopped_early"]:
        steps = f"{record['last_step']:,} of {record['total_steps']:,}"
        print(f"stopped early at step {steps}: the run is {record['outcome']}")
    accuracy = record["final"]["test_accuracy"]
    print(f"{folder}: test accuracy {'none' if accuracy is None else f'{accuracy:.2%}'}, outcome {record['outcome']}")
    return checkpointer


def train_several(orders: Sequence[Order], logs: Path | None = None) -> None:
    """Train all ``orders``, one after the other, also where some fail; AsgdError names those at the end.

    Checkpoints are kept until all results are written, because Snakemake deletes the results of a job that it starts
    again: the finished runs of a batch that was killed cost nothing then. ``logs``: the folder of a log for each run.
    """
    done, failed, opener = [], [], cache(open_data)  # the runs share their images
    for order in orders:
        log = logs / f"{order.name}.log" if logs else None
        try:
            with log_output(log):
                done.append(train_one(order, opener))
        except AsgdError as error:
            print_error(f"{order.name}: {error}")
            failed.append(str(log or order.name))
    if failed:
        raise AsgdError(f"{len(failed)} of {len(orders)} runs failed: {', '.join(failed)}")
    for checkpointer in done:
        checkpointer.discard()


def read_lines(path: Path) -> list[str]:
    """The lines of ``path`` (-: standard input) that are not blank."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise AsgdError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise AsgdError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start:,}); save it so") from None
    return [line for line in text.splitlines() if line.strip()]
