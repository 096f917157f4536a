"""One worker alone, then all in turn: delayed descent that starts where descent without delay has come to.

With the policy `discard` and `max_staleness` = m, what the others computed at the initial weights is thrown away when
they are first heard, and they start at the weights of then. All that follows is as in round robin.
"""

import numpy as np
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.settings.schedule import Schedule
from asgd.simulator.schedules.hearing import stream_one_by_one
from asgd.simulator.schedules.round_robin import RoundRobin

SCHEDULE = Schedule(heard="worker 0 for the first `alone` gradients, then all in turn", requires=("alone",))


class AloneFirst(RoundRobin):
    """Worker 0 brings its first ``alone`` gradients at times 1, 2, ...; then come the others, and all in turn."""

    def __init__(self, num_workers: int, alone: int) -> None:
        super().__init__(num_workers)
        self._alone = alone

    def start(self, worker: int, time: float) -> None:
        if self._started < self._num_workers:
            self._started += 1
            self._line.append((worker, self._num_workers * (self._alone if worker else 1) + worker))
            return
        super().start(worker, time)
        if len(self._line) > 1 and self._line[-1][1] < self._line[0][1]:  # the others wait
            self._line.rotate(1)

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return stream_one_by_one(self, number)


def build(config: RunConfig) -> AloneFirst:
    """That of a run."""
    assert config.alone is not None
    return AloneFirst(config.num_workers, config.alone)
