"""A recorded schedule: of a real run, or of a public trace."""

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.schedule import Schedule
from asgd.simulator.events import Events, Fate, ScheduleEndError
from asgd.simulator.workers.recording import COLUMNS

SCHEDULE = Schedule(
    heard="the workers in the order that the file `trace` has recorded", requires=("trace", "trace_sha256")
)


class Replay:
    """Worker ``workers[k]`` brings gradient k, at time ``times[k]``; whatever becomes of it."""

    def __init__(self, workers: NDArray[np.int64], times: NDArray[np.float64]) -> None:
        self._workers, self._times, self._heard = workers, times, 0

    def start(self, worker: int, time: float) -> None:
        """What a worker does is recorded."""

    def hear(self) -> tuple[int, float]:
        (worker,), (time,) = self.stream(1)
        return int(worker), float(time)

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        part = slice(self._heard, self._heard + number)
        if part.stop > len(self._workers):
            raise ScheduleEndError(f"the recorded schedule has only {len(self._workers)} gradients; train no longer")
        self._heard += number
        return self._workers[part], self._times[part]

    def list_running(self, time: float) -> list[int]:
        raise NotImplementedError("a recorded schedule does not say who would have gone on")

    def cancel(self, worker: int) -> None:
        raise NotImplementedError("a recorded schedule cannot be interrupted")

    def state(self) -> dict[str, Any]:
        return {"heard": self._heard}

    def restore(self, state: dict[str, Any]) -> None:
        self._heard = int(state["heard"])


def build(config: RunConfig) -> Replay:
    """That of a run. Raises AsgdError for a file that is not the one that the run means, or that does not fit it."""
    assert config.trace is not None
    workers, times = read_trace(Path(config.trace), config.trace_sha256)
    if config.averages:
        raise AsgdError(f"{config.trace}: does not say which gradients a step is the mean of; give that of a real run")
    if (found := int(workers.max()) + 1) > config.num_workers:
        raise AsgdError(f"{config.trace}: has {found} workers, and num_workers = {config.num_workers}; give {found}")
    return Replay(workers, times if len(times) else (np.arange(len(workers)) + 1) / config.num_workers)


def read_events(config: RunConfig) -> Events | None:
    """The events of a real run's schedule.csv, which say all; None for a file that says less."""
    assert config.trace is not None
    path = Path(config.trace)
    lines = _read_lines(path, config.trace_sha256)
    rows = csv.DictReader(lines)
    if not COLUMNS.keys() <= {*(rows.fieldnames or ())}:
        return None
    columns = list(rows)
    workers, times = _parse_trace(path, lines)
    try:
        fates = np.array([Fate[row["fate"].upper()].value for row in columns], np.int8)
        batches, staleness, steps = (
            np.array([int(row[name]) for row in columns], np.int64) for name in ("batch", "staleness", "step")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AsgdError(f"{path}: not the schedule of a real run ({error}); make it again") from error
    if int(workers.max()) >= config.num_workers:
        raise AsgdError(
            f"{path}: has {workers.max() + 1} workers, and num_workers = {config.num_workers}; give as many"
        )
    averaged = config.num_workers - config.backups if config.averages else 1
    applied = fates == Fate.APPLIED.value
    closes = applied & (np.cumsum(applied) % averaged == 0)
    if not np.array_equal(np.cumsum(closes) - closes, steps):
        raise AsgdError(f"{path}: its steps are not those of policy = {config.policy}; give that of the real run")
    return Events(workers, batches, staleness, fates, closes, times)


def count_recorded(config: RunConfig) -> int:
    """How many gradients the schedule of a run has recorded. Raises AsgdError as ``read_trace`` does."""
    assert config.trace is not None
    return len(read_trace(Path(config.trace), config.trace_sha256)[0])


def read_trace(path: Path, sha256: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Workers and times (none where the file has no column `seconds`) of a recorded schedule: [n] each.

    With a line of names it is read as CSV with a column `worker`. Otherwise each line is the delay tau_k of gradient
    k, as in the traces of the repository xuyangwu/Delay-data (their files BCD_*; Wu, Magnusson, Feyzmahdavian and
    Johansson, 2022): worker(k) is worker(k - tau_k - 1), and a new one where that is before the first.
    Raises AsgdError for a file that cannot be read, has another SHA-256, or is neither.
    """
    return _parse_trace(path, _read_lines(path, sha256))


def _read_lines(path: Path, sha256: str | None) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AsgdError(f"{path}: cannot be read ({error.strerror}); give the file of a recorded schedule") from error
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise AsgdError(f"{path}: another schedule than the run's, its SHA-256 is {found}; correct trace_sha256")
    return [line for line in content.decode(errors="replace").splitlines() if line.strip()]


def _parse_trace(path: Path, lines: list[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    try:
        if not lines or _is_number(lines[0]):
            return _follow_delays([float(line) for line in lines]), np.zeros(0)
        rows = list(csv.DictReader(lines))
        times = [float(row["seconds"]) for row in rows] if "seconds" in rows[0] else []
        workers = np.array([int(row["worker"]) for row in rows], np.int64)
        if workers.min() < 0:
            raise ValueError("a worker below 0")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise AsgdError(f"{path}: not a recorded schedule ({what}); give a column `worker`, or delays") from error
    return workers, np.array(times)


def _follow_delays(delays: list[float]) -> NDArray[np.int64]:
    workers: list[int] = []
    known = 0
    for k, delay in enumerate(delays):
        before = k - int(delay) - 1
        if delay != int(delay) or delay < 0 or before < -1:
            raise ValueError(f"line {k + 1}: the delay {delay:g} of gradient {k}")
        if before < 0:
            workers.append(known)
            known += 1
        else:
            workers.append(workers[before])
    if not workers:
        raise ValueError("no lines")
    return np.array(workers, np.int64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
