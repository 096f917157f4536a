"""When a curve first reaches an accuracy."""

import math

import numpy as np
from numpy.typing import ArrayLike

from asgd.tables.matching import value_at


def time_to(accuracy: float, times: ArrayLike, values: ArrayLike) -> float:
    """When ``values`` [evaluations] first reach ``accuracy``, in the unit of ``times`` [evaluations], ascending.

    Linear between evaluations; ``inf`` where they never do. What falls below it again later does not matter.
    """
    found = value_at(-accuracy, -np.asarray(values, dtype=float), times)
    return math.inf if math.isnan(found) else found
