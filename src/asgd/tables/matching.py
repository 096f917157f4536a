"""What runs have at the same training loss: those that are slower are then compared where they come to, not when."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def find_common_level(losses: Sequence[ArrayLike], lowest: float = 0.0) -> float:
    """The lowest loss that all curves, each [evaluations], reach; not below ``lowest``."""
    return max(lowest, *(float(np.min(loss)) for loss in losses))


def value_at(level: float, loss: ArrayLike, values: ArrayLike) -> float:
    """``values`` where ``loss`` first falls to ``level``, both [evaluations]; linear between evaluations.

    nan where the loss never does.
    """
    x, y = np.asarray(loss, dtype=float), np.asarray(values, dtype=float)
    reached = np.flatnonzero(x <= level)
    if len(reached) == 0:
        return float("nan")
    after = int(reached[0])
    if after == 0:
        return float(y[0])
    return float(np.interp(-level, -x[after - 1 : after + 1], y[after - 1 : after + 1]))


def match_values(
    losses: Sequence[ArrayLike], values: Sequence[ArrayLike], lowest: float = 0.0
) -> tuple[float, list[float]]:
    """The lowest loss that all of a seed's runs reach, and the value of each run there.

    A run is ``losses[i]`` with ``values[i]``, both [evaluations]; runs may differ in their number of evaluations.
    """
    level = find_common_level(losses, lowest)
    return level, [value_at(level, loss, value) for loss, value in zip(losses, values, strict=True)]
