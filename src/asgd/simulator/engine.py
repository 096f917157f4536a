"""What an engine is: the interface between the simulation itself and everything that watches it.

Protocol (Section II of the paper). Workers compute gradients, each on the weights that it was sent last and on a
mini-batch; the server takes a step with the gradient of the worker that it hears, then sends it the new weights. Whom
it hears is a matter of the schedule, what it does with a gradient of policy and update: see ``asgd.simulator.events``
and ``asgd.simulator.updates``.
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.simulator.events import Events, Tally


@dataclass(frozen=True)
class Interval:
    """What happened over consecutive gradients."""

    num_gradients: int  #: that were charged
    num_applied: int  #: of these; the others were not computed here
    loss_sum: float  #: sum over those applied of the mini-batch's mean loss at the stale weights; may be inf or nan
    num_zero_gradients: int  #: of those applied, how many were exactly zero in every entry
    gradient_norm: float  #: Euclidean norm of the last step's gradient; not-a-number where there was no step
    corrections: tuple[float, ...] = ()  #: ||correction|| / ||gradient||, of every so many steps

    def join(self, later: "Interval") -> "Interval":
        """This one and ``later``, which follows it."""
        norm = self.gradient_norm if math.isnan(later.gradient_norm) else later.gradient_norm
        return Interval(
            self.num_gradients + later.num_gradients,
            self.num_applied + later.num_applied,
            self.loss_sum + later.loss_sum,
            self.num_zero_gradients + later.num_zero_gradients,
            norm,
            self.corrections + later.corrections,
        )


#: Where none has happened yet.
NOTHING = Interval(0, 0, 0.0, 0, math.nan)

#: Steps from one to the next whose correction is measured.
SAMPLED_EVERY = 128

OnPart = Callable[[Interval], None]


def ignore_part(part: Interval) -> None:
    """For who does not look at the parts of an interval."""


@dataclass(frozen=True)
class Evaluation:
    """The server's weights on a set of images, without dropout."""

    loss: float  #: mean cross-entropy, in nats
    accuracy: float  #: share of images whose label has the largest logit (the first one, of equals); in [0, 1]
    zero_logit_share: float  #: share of images whose logits are all exactly zero; in [0, 1]


@dataclass(frozen=True)
class Computed:
    """A gradient, as a worker computed it."""

    loss: float  #: of its mini-batch
    gradient: NDArray[np.float32]
    is_zero: bool  #: in every entry


class Engine(Protocol):
    """One run in progress: server, workers and the random streams of one seed."""

    @property
    def backend(self) -> str:
        """Which of the engine's ways to compute is used: a device, or a set of kernels."""
        ...

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights W_t, in the order of the network's parameters: [num_parameters]."""
        ...

    @property
    def tally(self) -> Tally:
        """What the gradients so far come to."""
        ...

    def advance(self, num_gradients: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Go on until ``num_gradients`` (>= 1) more gradients are charged.

        ``on_part`` is called with each part of them, and may look at the engine then. Parts end after the numbers of
        gradients in ``stops``, ascending and counted from here, and perhaps elsewhere. The stops change nothing at all,
        bit for bit; how gradients are cut into calls changes no more than the last bits of ``loss_sum``.
        """
        ...

    def skip(self, num_gradients: int) -> None:
        """Charge ``num_gradients`` (>= 0) more without computing them: nothing can come of them."""
        ...

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights on ``images`` [n, 32, 32, 3] and ``labels`` [n]; changes nothing."""
        ...

    def staleness_displacement(self) -> float:
        """||W_t - U|| of the server's weights and those of the worker whose gradient comes next.

        Not-a-number where no gradient comes next, at the end of a recorded schedule.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit: arrays, numbers and nested dictionaries of them."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` of an engine with the same configuration and images returned."""
        ...


class Remote(Protocol):
    """What real workers and their server need of an engine: see ``asgd.simulator.workers``.

    A worker's engine computes gradients, the server's applies them; weights and gradients travel in the engine's own
    order, [n] float32.
    """

    def compute(self, weights: NDArray[np.float32], batch: int) -> Computed:
        """The gradient of mini-batch number ``batch`` at ``weights``; the engine's own weights stay as they are."""
        ...

    def weights_of(self, worker: int) -> NDArray[np.float32]:
        """A copy of the weights that ``worker`` was sent."""
        ...

    def receive(self, event: Events, first_step: int, computed: Computed | None) -> Interval:
        """What comes of a single event after ``first_step`` steps; ``computed``: the gradient, if it is applied."""
        ...


def cut(start: int, end: int, stops: Iterable[int]) -> Iterable[tuple[int, int]]:
    """The gradients from ``start`` to ``end`` in parts that end at ``stops``: (first, last), half open."""
    return pairwise([start, *(stop for stop in stops if start < stop < end), end])


def find_sampled(events: Events, first_step: int) -> NDArray[np.bool_]:
    """Which of ``events`` close a step whose correction is measured; ``first_step``: steps taken before them."""
    steps = first_step + np.cumsum(events.closes)
    found: NDArray[np.bool_] = events.closes & (steps % SAMPLED_EVERY == 0)
    return found


def measure_distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Euclidean distance of two vectors of real numbers, in double precision and the same on every machine.

    The order in which BLAS and NumPy sum depends on the processor; ``fsum`` rounds once, so its order does not matter.
    """
    difference = np.subtract(one, other, dtype=np.float64)
    return math.sqrt(math.fsum((difference * difference).tolist()))
