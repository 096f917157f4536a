"""Random times: each gradient takes a time of mean 1, and the server may take time for each message too."""

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.settings.schedule import Schedule
from asgd.simulator.schedules.hearing import stream_one_by_one
from asgd.simulator.streams import stream

SCHEDULE = Schedule(heard="the first to finish, where each gradient takes a random time of mean 1")


class Latency:
    """An event queue. Times are gamma distributed with coefficient of variation ``cv`` (0: all are 1; 1: exponential),
    or, with ``shape`` > 1, Pareto distributed.

    The last round(``slow_share`` m) workers take ``slow_factor`` times as long; a worker alone is not slow. The server
    takes ``server_time`` for each message, first come, first served; ties in order of dispatch.
    """

    def __init__(
        self,
        num_workers: int,
        seed: int,
        cv: float = 1.0,
        shape: float | None = None,
        slow_share: float = 0.0,
        slow_factor: float = 1.0,
        server_time: float = 0.0,
    ) -> None:
        self._cv, self._shape, self._server_time = cv, shape, server_time
        num_slow = round(slow_share * num_workers) if num_workers > 1 else 0
        self._factors = np.where(np.arange(num_workers) >= num_workers - num_slow, slow_factor, 1.0).tolist()
        self._generator = stream(seed, "schedule")
        self._queue: list[tuple[float, int, int]] = []  #: arrival, number of the dispatch, worker
        self._dispatched, self._free = 0, 0.0

    def start(self, worker: int, time: float) -> None:
        heapq.heappush(self._queue, (time + self._draw() * self._factors[worker], self._dispatched, worker))
        self._dispatched += 1

    def hear(self) -> tuple[int, float]:
        arrival, _, worker = heapq.heappop(self._queue)
        self._free = max(arrival, self._free) + self._server_time
        return worker, self._free

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return stream_one_by_one(self, number)

    def list_running(self, time: float) -> list[int]:
        return [worker for arrival, _, worker in sorted(self._queue, key=lambda entry: entry[1]) if arrival > time]

    def cancel(self, worker: int) -> None:
        self._queue = [entry for entry in self._queue if entry[2] != worker]
        heapq.heapify(self._queue)

    def state(self) -> dict[str, Any]:
        return {
            "queue": [list(entry) for entry in self._queue],
            "dispatched": self._dispatched,
            "free": self._free,
            "generator": self._generator.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._queue = [(float(arrival), int(number), int(worker)) for arrival, number, worker in state["queue"]]
        self._dispatched, self._free = int(state["dispatched"]), float(state["free"])
        self._generator.bit_generator.state = state["generator"]

    def _draw(self) -> float:
        if self._shape is not None:
            return float((1 + self._generator.pareto(self._shape)) * (self._shape - 1) / self._shape)
        if self._cv == 0:
            return 1.0
        return float(self._generator.gamma(1 / self._cv**2, self._cv**2))


def build(config: RunConfig) -> Latency:
    """That of a run."""
    return Latency(
        config.num_workers,
        config.seed,
        config.latency_cv,
        config.latency_shape if config.latency == "pareto" else None,
        config.slow_share,
        config.slow_factor,
        config.server_time,
    )
