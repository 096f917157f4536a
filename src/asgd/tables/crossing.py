"""When a curve first reaches an accuracy."""

import math

import numpy as np
from numpy.typing import ArrayLike


def time_to(accuracy: float, times: ArrayLike, values: ArrayLike) -> float:
    """When ``values`` [evaluations] first reach ``accuracy``, in the unit of ``times`` [evaluations], ascending.

    Linear between evaluations; ``inf`` where they never do. What falls below it again later does not matter.
    """
    x, y = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    reached = np.flatnonzero(y >= accuracy)
    if len(reached) == 0:
        return math.inf
    after = int(reached[0])
    if after == 0:
        return float(x[0])
    return float(np.interp(accuracy, y[after - 1 : after + 1], x[after - 1 : after + 1]))
