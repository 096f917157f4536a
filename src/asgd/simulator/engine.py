"""What an engine is: the interface between the simulation itself and everything that watches it.

Protocol (Section II of the paper). At step t the server takes one SGD step with the gradient that worker t mod m
computed on its own stale weights and on mini-batch t, then sends that worker the new weights. So the gradient applied
at step t was taken at W_max(0, t - (m - 1)): the staleness is tau = m - 1 after the first round.
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """What happened over consecutive server steps."""

    num_steps: int
    loss_sum: float  #: sum over steps of the mini-batch's mean loss at the stale weights; may be inf or nan
    num_zero_gradients: int  #: steps whose gradient was exactly zero in every entry
    gradient_norm: float  #: Euclidean norm of the last step's gradient


OnPart = Callable[[Interval], None]


def ignore_part(part: Interval) -> None:
    """For who does not look at the parts of an interval."""


@dataclass(frozen=True)
class Evaluation:
    """The server's weights on a set of images, without dropout."""

    loss: float  #: mean cross-entropy, in nats
    accuracy: float  #: share of images whose label has the largest logit (the first one, of equals); in [0, 1]
    zero_logit_share: float  #: share of images whose logits are all exactly zero; in [0, 1]


class Engine(Protocol):
    """One run in progress: server, workers and the random streams of one seed."""

    @property
    def backend(self) -> str:
        """Which of the engine's ways to compute is used: a device, or a set of kernels."""
        ...

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights W_t, in the order of ``architecture.parameter_shapes``: [num_parameters]."""
        ...

    def advance(self, num_steps: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Take ``num_steps`` (>= 1) server steps.

        ``on_part`` is called with each part of them, and may look at the engine then. Parts end after the numbers of
        steps in ``stops``, ascending and counted from here, and perhaps elsewhere. The stops change nothing at all, bit
        for bit; how steps are cut into calls changes no more than the last bits of ``loss_sum``.
        """
        ...

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights on ``images`` [n, 32, 32, 3] and ``labels`` [n]; changes nothing."""
        ...

    def staleness_displacement(self) -> float:
        """||W_t - W_s|| of the server's weights and the stale ones of the worker whose gradient comes next."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit: arrays, numbers and nested dictionaries of them."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` of an engine with the same configuration and images returned."""
        ...


def cut(start: int, end: int, stops: Iterable[int]) -> Iterable[tuple[int, int]]:
    """The steps from ``start`` to ``end`` in parts that end at ``stops``: (first, last), half open."""
    return pairwise([start, *(stop for stop in stops if start < stop < end), end])


def measure_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Euclidean distance of two vectors of real numbers, in double precision and the same on every machine.

    The order in which BLAS and NumPy sum depends on the processor; ``fsum`` rounds once, so its order does not matter.
    """
    difference = np.subtract(one, other, dtype=np.float64)
    return math.sqrt(math.fsum((difference * difference).tolist()))
