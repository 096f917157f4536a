"""The pool that runs are in, with all that belongs to it; and the training of those that it lacks."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

from asgd.data import Dataset, load_data, prepare_data, source_fingerprint
from asgd.errors import AsgdError
from asgd.logs import log_output, print_error
from asgd.runs.folder import is_finished
from asgd.runs.kept import keep_runs, restore_runs
from asgd.runs.orders import Order, train_one
from asgd.runs.sources import identify_run
from asgd.settings.data import DataConfig
from asgd.simulator.engines import compile_engines


@dataclass(frozen=True)
class Pool:
    """Folders."""

    runs: Path
    kept: Path  #: second names of finished runs
    checkpoints: Path
    logs: Path  #: a file for each run


#: That of the workflow and the commands, in the project's folder.
POOL = Pool(Path("results/runs"), Path("results/kept"), Path("results/checkpoints"), Path("logs/runs"))


def train_all(orders: Sequence[Order], pool: Pool, jobs: int) -> None:
    """Train those of ``orders`` that ``pool`` lacks in ``jobs`` processes; the results of each are written at once.

    All others are trained where one fails; AsgdError names those that failed.
    """
    names = [identify_run(order.config, source_fingerprint(order.data)).name for order in orders]
    wanted = dict(zip(names, orders, strict=True))
    restore_runs(wanted, pool.runs, pool.kept)
    lacking = {name: order for name, order in wanted.items() if not is_finished(pool.runs / name)}
    for data, root in {(order.data.model_dump_json(), order.data_root): None for order in lacking.values()}:
        prepare_data(DataConfig.model_validate_json(data), root)  # once, before the processes ask for it together
    compile_engines(order.config for order in lacking.values())
    train = partial(_train, pool=pool)
    if jobs == 1:
        failed = [log for log in map(train, lacking, lacking.values()) if log]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers:
            try:
                failed = [log for log in workers.map(train, lacking, lacking.values()) if log]
            except BaseException:  # Ctrl-C too: what has not begun need not
                workers.shutdown(wait=False, cancel_futures=True)
                raise
    keep_runs(wanted, pool.runs, pool.kept)
    if failed:
        raise AsgdError(f"{len(failed)} of {len(lacking)} runs failed: {', '.join(failed)}")


def _train(name: str, order: Order, pool: Pool) -> str:
    """Train a run; its log if that failed."""
    log = pool.logs / f"{name}.log"
    try:
        with log_output(log):
            train_one(order, _open_data).discard()
    except AsgdError as error:
        print_error(f"{name}: {error}")
        return str(log)
    print(f"{name}: done")
    return ""


@cache
def _open_data(data: DataConfig, root: Path) -> Dataset:
    return load_data(prepare_data(data, root))
