"""The gradients that real workers brought, from schedule.csv, and when the server did something else meanwhile."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.simulator.events import Fate
from asgd.simulator.workers.recording import COLUMNS

Array = NDArray[np.float64]
Places = NDArray[np.int64]

#: Gradients that a fit needs: in all, and of each worker.
NEEDED, NEEDED_EACH = 200, 20

_HEARD = [fate.name.lower() for fate in (Fate.APPLIED, Fate.DISCARDED, Fate.DROPPED)]


@dataclass(frozen=True)
class Recording:
    """The gradients that a server heard, in order: arrays [n]."""

    worker: Places
    time: Array  #: seconds
    usual: NDArray[np.bool_]  #: the worker computed since it was last heard, and did nothing else
    num_workers: int

    @property
    def before(self) -> Places:
        """The place where the same worker was heard before; -1: nowhere."""
        return find_before(self.worker)


def read_recording(path: Path) -> Recording:
    """The gradients heard in a real run's schedule.csv.

    Raises AsgdError for a file that cannot be read or is none, that has too few gradients, or of workers that wait for
    one another.
    """
    try:
        table = pd.read_csv(path, dtype={"worker": np.int64, "batch": np.int64, "seconds": float, "fate": str})
        if missing := [name for name in COLUMNS if name not in table]:
            raise ValueError(f"no column {missing[0]}")
        if unknown := set(table["fate"]) - {fate.name.lower() for fate in Fate}:
            raise ValueError(f"fate {min(map(str, unknown))}")
        worker, batch, time = (table[name].to_numpy() for name in ("worker", "batch", "seconds"))
        if not (np.isfinite(time).all() and (np.diff(time) >= 0).all() and (worker >= 0).all()):
            raise ValueError("times that decrease, or a negative worker")
    except OSError as error:
        raise AsgdError(f"{path}: cannot be read ({error.strerror}); give the schedule.csv of a real run") from error
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AsgdError(f"{path}: not the schedule of a real run ({reason}); give its schedule.csv") from error
    kind = table["fate"].to_numpy()
    heard, sends = np.isin(kind, _HEARD), kind != "lost"
    num_workers = int(worker.max(initial=0)) + 1
    needed = max(NEEDED, NEEDED_EACH * num_workers)
    if heard.sum() < needed:
        raise AsgdError(
            f"{path}: has {heard.sum():,} gradients of {num_workers} workers, but {needed:,} are needed; train longer"
        )
    if num_workers == 1:
        raise AsgdError(
            f"{path}: has one worker, so its time cannot be separated from that of the server; give a run with more"
        )
    before = find_before(worker)
    # Whoever is heard or joins is sent the next mini-batch at once, unless workers wait for others.
    sent = num_workers + np.cumsum(sends) - 1
    known = (before >= 0) & sends[before] & heard
    if not np.array_equal(batch[known], sent[before[known]]):
        raise AsgdError(f"{path}: its workers wait for one another; give a run with policy = every or discard")
    return Recording(worker[heard], time[heard], (known & heard[before])[heard], num_workers)


def find_before(worker: Places) -> Places:
    """For each place of ``worker`` the place before it with the same worker; -1: there is none. [n]"""
    order = np.argsort(worker, kind="stable")
    again = worker[order[1:]] == worker[order[:-1]]
    before = np.full(len(worker), -1)
    before[order[1:][again]] = order[:-1][again]
    return before


def find_pauses(part: Recording) -> NDArray[np.bool_]:
    """Before which gradients the server did something else [n]: those after ten times the longest gap of a usual round.

    (3 + 4 / m) times are enough where the workers' next gradients come in quick succession then, one of each. Chance
    hardly makes a gap so long, also where m is small.
    """
    m = part.num_workers
    gaps = np.diff(part.time, prepend=part.time[0])
    rounds = np.lib.stride_tricks.sliding_window_view(gaps, m)
    took = rounds[:, 1:].sum(axis=1)
    orders = np.sort(np.lib.stride_tricks.sliding_window_view(part.worker, m), axis=1)
    together = (took < 0.75 * np.median(took)) & (orders == np.arange(m)).all(axis=1)
    usual = np.median(rounds.max(axis=1))
    pauses: NDArray[np.bool_] = gaps > 10 * usual
    pauses[: len(took)] |= together & (rounds[:, 0] > (3 + 4 / m) * usual)
    return pauses
