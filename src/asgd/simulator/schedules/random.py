"""Whose gradient comes next is random: geometric staleness, as exponential times give it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.settings.schedule import Schedule
from asgd.simulator.streams import stream

SCHEDULE = Schedule(heard="a worker drawn uniformly for each gradient: geometric staleness")


class RandomWorker:
    """A worker drawn uniformly brings gradient k, at time (k + 1) / m. All compute all the time."""

    def __init__(self, num_workers: int, seed: int) -> None:
        self._num_workers, self._heard = num_workers, 0
        self._generator = stream(seed, "schedule")

    def start(self, worker: int, time: float) -> None:
        """What a worker did before does not matter: its remaining time has no memory."""

    def hear(self) -> tuple[int, float]:
        self._heard += 1
        return int(self._generator.integers(self._num_workers)), self._heard / self._num_workers

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        workers = self._generator.integers(self._num_workers, size=number)
        times = np.arange(self._heard + 1, self._heard + number + 1) / self._num_workers
        self._heard += number
        return workers, times

    def list_running(self, time: float) -> list[int]:
        return list(range(self._num_workers))

    def cancel(self, worker: int) -> None:
        """Nor does a restart."""

    def state(self) -> dict[str, Any]:
        return {"heard": self._heard, "generator": self._generator.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        self._heard = int(state["heard"])
        self._generator.bit_generator.state = state["generator"]


def build(config: RunConfig) -> RandomWorker:
    """That of a run."""
    return RandomWorker(config.num_workers, config.seed)
