"""The paper's schedule: every gradient takes as long, so workers are heard in turn and the staleness is constant."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.settings.schedule import Schedule

SCHEDULE = Schedule(heard="worker k mod m, as in the paper: staleness m - 1")


class RoundRobin:
    """Worker k mod m brings gradient k, at time (k + 1) / m. A worker that is restarted goes to the end of the line."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._line: deque[tuple[int, int]] = deque()  #: worker, and its arrival in units of 1 / m: exact
        self._started = 0

    def start(self, worker: int, time: float) -> None:
        # The first gradients are on their way already, or all would come at once.
        self._started += 1
        first = self._started <= self._num_workers
        self._line.append((worker, self._started if first else round(time * self._num_workers) + self._num_workers))

    def hear(self) -> tuple[int, float]:
        worker, arrival = self._line.popleft()
        return worker, arrival / self._num_workers

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        line = np.array(self._line)
        rounds, places = np.divmod(np.arange(number + len(line)), len(line))
        workers, arrivals = line[places, 0], line[places, 1] + rounds * self._num_workers
        self._line = deque(zip(workers[number:].tolist(), arrivals[number:].tolist(), strict=True))
        return workers[:number], arrivals[:number] / self._num_workers

    def list_running(self, time: float) -> list[int]:
        return [worker for worker, _ in self._line]

    def cancel(self, worker: int) -> None:
        self._line = deque(entry for entry in self._line if entry[0] != worker)

    def state(self) -> dict[str, Any]:
        return {"line": [list(entry) for entry in self._line], "started": self._started}

    def restore(self, state: dict[str, Any]) -> None:
        self._line = deque((int(worker), int(arrival)) for worker, arrival in state["line"])
        self._started = int(state["started"])


def build(config: RunConfig) -> RoundRobin:
    """That of a run."""
    return RoundRobin(config.num_workers)
