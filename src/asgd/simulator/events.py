"""What happens at the server, gradient by gradient: who is heard, with which mini-batch, how stale, and what becomes of
it. It follows from schedule and policy alone, never from weights, so it is known before anything is computed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.simulator.schedules.arrivals import Arrivals


class ScheduleEndError(AsgdError):
    """A recorded schedule has no further gradient."""


class Fate(IntEnum):
    """What becomes of a gradient. Each is charged as one, but for the last.

    NumPy must be given the ``value``: it looks for methods of its own on the class of a member, where Python 3.11 runs
    code of the enumeration, and NumPy drops all that is raised there. A Ctrl-C in that moment would be lost.
    """

    APPLIED = 0  #: it is a step, or its part of one
    DISCARDED = 1  #: too old when it was heard
    DROPPED = 2  #: its step was taken without it
    CANCELLED = 3  #: given up before it was computed
    LOST = 4  #: with its worker
    JOINED = 5  #: no gradient: a worker takes a lost one's place, and is sent weights


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
        columns = [*zip(*events, strict=True)] or [()] * len(Event._fields)
        columns[3] = tuple(fate.value for fate in columns[3])
        return Events.of_columns(columns)

    @staticmethod
    def of_columns(columns: Iterable[Any]) -> "Events":
        """Events whose fields, in order, are given as sequences of numbers."""
        kinds = (np.int64, np.int64, np.int64, np.int8, np.bool_, np.float64)
        return Events(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))

    @property
    def applied(self) -> NDArray[np.bool_]:
        """Which of them are a step, or its part of one."""
        applied: NDArray[np.bool_] = self.fate == Fate.APPLIED.value
        return applied

    def join(self, later: "Events") -> "Events":
        """These, and ``later``."""
        return Events(*(np.concatenate([getattr(self, each.name), getattr(later, each.name)]) for each in fields(self)))

    def select(self, chosen: slice | NDArray[np.bool_]) -> "Events":
        """Some of them."""
        return Events(*(getattr(self, each.name)[chosen] for each in fields(self)))


class Decider(Protocol):
    """A policy at work: which gradients become steps."""

    def advance(self, ledger: "Ledger", number: int) -> Events:
        """The next ``number`` events. How they are cut into calls changes nothing."""
        ...


class Ledger:
    """The events of a run in order: ``policy`` decides on the gradients that ``arrivals`` brings.

    At the start each worker holds the initial weights; worker i computes on mini-batch i.
    """

    def __init__(self, num_workers: int, arrivals: Arrivals, policy: Decider) -> None:
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

    @property
    def oldest_batch(self) -> int:
        """No mini-batch before this one is in flight."""
        return min([int(self.batches.min()), *(event.batch for event in self._waiting)])

    def staleness(self, worker: int) -> int:
        """Server steps since the weights that ``worker`` computes on were sent."""
        return self.step - int(self.received[worker])

    def lose(self, worker: int, time: float) -> Event:
        """``worker`` is gone, and its gradient with it. The event is not among those of ``advance``."""
        return Event(worker, int(self.batches[worker]), self.staleness(worker), Fate.LOST, False, time)

    def join(self, worker: int, time: float) -> Event:
        """Another worker takes the place of ``worker``, which was lost. Not among the events of ``advance`` either."""
        self.send(worker, time)
        return Event(worker, int(self.batches[worker]), 0, Fate.JOINED, False, time)

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


class Tally:
    """What the events of a run come to."""

    def __init__(self) -> None:
        self.steps = 0  #: server steps
        self.time = 0.0  #: of the last gradient
        self.fates = np.zeros(len(Fate), np.int64)  #: gradients, by what became of them
        self.staleness = np.zeros(0, np.int64)  #: of the gradients applied: how many had staleness 0, 1, ...

    @property
    def gradients(self) -> int:
        """All that were charged."""
        return int(self.fates[: Fate.JOINED].sum())

    def copy(self) -> "Tally":
        """As it is now."""
        now = Tally()
        now.restore(self.state())
        return now

    def add(self, events: Events) -> None:
        """Count some more."""
        self.steps += int(events.closes.sum())
        self.time = float(events.time[-1]) if len(events.time) else self.time
        self.fates += np.bincount(events.fate, minlength=len(Fate))
        found = np.bincount(events.staleness[events.applied], minlength=len(self.staleness))
        found[: len(self.staleness)] += self.staleness
        self.staleness = found

    def state(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {"steps": self.steps, "time": self.time, "fates": self.fates.copy(), "staleness": self.staleness}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self.steps, self.time = int(state["steps"]), float(state["time"])
        self.fates, self.staleness = (np.array(state[name], np.int64) for name in ("fates", "staleness"))


class Course:
    """The events of a run as an engine takes them: counted, and with a look at the one that comes next."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._ahead = Events.of([])
        self.tally = Tally()

    def take(self, number: int) -> Events:
        """The next ``number`` events. How they are cut into calls changes nothing."""
        seen = len(self._ahead.worker)
        events = self._ahead.select(slice(number))
        if number > seen:
            more = self._ledger.advance(number - seen)
            events = more if not seen else events.join(more)
        self._ahead = self._ahead.select(slice(number, None))
        self.tally.add(events)
        return events

    def find_next(self) -> int | None:
        """The worker whose gradient is charged next; None where a recorded schedule is at its end."""
        if not len(self._ahead.worker):
            try:
                self._ahead = self._ledger.advance(1)
            except ScheduleEndError:
                return None
        return int(self._ahead.worker[0])

    @property
    def oldest_batch(self) -> int:
        """No mini-batch before this one is asked for any more."""
        return min([self._ledger.oldest_batch, *map(int, self._ahead.batch)])

    def state(self) -> dict[str, Any]:
        """Everything needed to continue."""
        ahead = {each.name: getattr(self._ahead, each.name) for each in fields(self._ahead)}
        return {"ledger": self._ledger.state(), "ahead": ahead, "tally": self.tally.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self._ledger.restore(state["ledger"])
        self._ahead = Events.of_columns(state["ahead"][each.name] for each in fields(Events))
        self.tally.restore(state["tally"])


class Recorded:
    """A course that was recorded: its events in full, as real workers left them."""

    def __init__(self, events: Events) -> None:
        self._events, self._at = events, 0
        charged = np.cumsum(events.fate != Fate.JOINED.value)
        #: For each number of gradients, after which event it is reached.
        self._ends = np.searchsorted(charged, np.arange(1, (charged[-1] if len(charged) else 0) + 1)) + 1
        self._oldest = np.minimum.accumulate(events.batch[::-1])[::-1]
        self.tally = Tally()

    def take(self, number: int) -> Events:
        """The events of the next ``number`` gradients, and of the workers that joined among them."""
        last = self.tally.gradients + number
        if last > len(self._ends):
            raise ScheduleEndError(f"the recorded schedule has only {len(self._ends)} gradients; train no longer")
        end = int(self._ends[last - 1]) if number else self._at
        events = self._events.select(slice(self._at, end))
        self._at = end
        self.tally.add(events)
        return events

    def find_next(self) -> int | None:
        """The worker whose gradient is charged next; None at the end."""
        rest = self._events.fate[self._at :] != Fate.JOINED.value
        return int(self._events.worker[self._at :][rest][0]) if rest.any() else None

    @property
    def oldest_batch(self) -> int:
        """No mini-batch before this one is asked for any more."""
        return int(self._oldest[self._at]) if self._at < len(self._oldest) else 0

    def state(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {"at": self._at, "tally": self.tally.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self._at = int(state["at"])
        self.tally.restore(state["tally"])
