"""What happens at the server, gradient by gradient: who is heard, with which mini-batch, how stale, and what becomes of
it. It follows from schedule and policy alone, never from weights, so it is known before anything is computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.simulator.schedules.arrivals import Arrivals


class Fate(IntEnum):
    """What becomes of a gradient. Each is charged as one."""

    APPLIED = 0  #: it is a step, or its part of one
    DISCARDED = 1  #: too old when it was heard
    DROPPED = 2  #: its step was taken without it
    CANCELLED = 3  #: given up before it was computed


class Event(NamedTuple):
    """One gradient, charged."""

    worker: int
    batch: int  #: its mini-batch, numbered in order of dispatch
    staleness: int  #: server steps between the sending of its weights and now
    fate: Fate
    closes: bool  #: the server takes a step with it, and with those applied since the step before
    time: float  #: when it was heard, or given up


@dataclass(frozen=True)
class Events:
    """Consecutive gradients as arrays [n]; see ``Event``."""

    worker: NDArray[np.int64]
    batch: NDArray[np.int64]
    staleness: NDArray[np.int64]
    fate: NDArray[np.int8]
    closes: NDArray[np.bool_]
    time: NDArray[np.float64]

    @staticmethod
    def of(events: Sequence[Event]) -> "Events":
        columns = list(zip(*events, strict=True)) or [()] * len(Event._fields)
        types = (np.int64, np.int64, np.int64, np.int8, np.bool_, np.float64)
        return Events(*(np.array(column, kind) for column, kind in zip(columns, types, strict=True)))


class Policy(Protocol):
    """Which gradients become steps."""

    def advance(self, ledger: "Ledger", number: int) -> Events:
        """The next ``number`` events. How they are cut into calls changes nothing."""
        ...


class Ledger:
    """The events of a run in order: ``policy`` decides on the gradients that ``arrivals`` brings.

    At the start each worker holds the initial weights; worker i computes on mini-batch i.
    """

    def __init__(self, num_workers: int, arrivals: Arrivals, policy: Policy) -> None:
        self.num_workers, self.arrivals, self.policy = num_workers, arrivals, policy
        self.step = 0  #: server steps taken
        self.received = np.zeros(num_workers, np.int64)  #: the server's step when each worker's weights were sent
        self.applied: list[int] = []  #: the workers whose gradients were applied since the last step
        self.batches = np.arange(num_workers)  #: the mini-batch that each worker has
        self.dispatched = num_workers  #: mini-batches handed out
        self._waiting: list[Event] = []
        for worker in range(num_workers):
            arrivals.start(worker, 0.0)

    def advance(self, number: int) -> Events:
        """The next ``number`` events. How they are cut into calls changes nothing."""
        return self.policy.advance(self, number)

    def take(self, number: int, hear: Callable[["Ledger"], None]) -> Events:
        """The next ``number`` events, for a policy that charges one or more each time that it is told to ``hear``."""
        while len(self._waiting) < number:
            hear(self)
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        return Events.of(taken)

    def staleness(self, worker: int) -> int:
        """Server steps since the weights that ``worker`` computes on were sent."""
        return self.step - int(self.received[worker])

    def charge(self, worker: int, fate: Fate, time: float, closes: bool = False) -> None:
        """The gradient of ``worker`` is over."""
        staleness = self.staleness(worker)
        self._waiting.append(Event(worker, int(self.batches[worker]), staleness, fate, closes, time))
        if fate == Fate.APPLIED:
            self.applied = [] if closes else [*self.applied, worker]
            self.step += closes

    def send(self, worker: int, time: float) -> None:
        """``worker`` receives the server's weights and the next mini-batch, and starts."""
        self.received[worker] = self.step
        self.batches[worker] = self.dispatched
        self.dispatched += 1
        self.arrivals.start(worker, time)

    def state(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {
            "step": self.step,
            "received": self.received.tolist(),
            "applied": list(self.applied),
            "batches": self.batches.tolist(),
            "dispatched": self.dispatched,
            "waiting": [list(event) for event in self._waiting],
            "arrivals": self.arrivals.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self.step, self.dispatched = int(state["step"]), int(state["dispatched"])
        self.received, self.batches = (np.array(state[name], np.int64) for name in ("received", "batches"))
        self.applied = [*map(int, state["applied"])]
        self._waiting = [
            Event(int(w), int(b), int(s), Fate(int(f)), bool(c), float(t)) for w, b, s, f, c, t in state["waiting"]
        ]
        self.arrivals.restore(state["arrivals"])
