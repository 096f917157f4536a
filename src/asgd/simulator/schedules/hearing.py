"""What schedules share that know no more than whom the server hears next."""

import numpy as np
from numpy.typing import NDArray

from asgd.simulator.schedules.arrivals import Arrivals


def stream_one_by_one(arrivals: Arrivals, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """``arrivals.stream(number)``, by as many calls of ``hear`` and ``start``."""
    workers, times = np.empty(number, np.int64), np.empty(number)
    for place in range(number):
        worker, time = arrivals.hear()
        arrivals.start(worker, time)
        workers[place], times[place] = worker, time
    return workers, times
