"""A server of real workers, without any transport: who is sent what, and what becomes of each gradient that comes.

It is the simulator with real arrivals: the same ledger counts staleness and mini-batches, the same policies decide, and
an engine applies the gradients. Whatever brings them calls ``arrive``, ``lose`` and ``join``, and carries what
``dispatch`` hands out. What happened is recorded in full, so that the simulator can replay it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator.engine import NOTHING, Computed, Interval, Remote
from asgd.simulator.events import Event, Events, Fate, Ledger, Tally
from asgd.simulator.parts import build_policy
from asgd.simulator.schedules.hearing import stream_one_by_one


@dataclass(frozen=True)
class Dispatch:
    """What a worker is sent."""

    worker: int
    batch: int  #: number of its mini-batch
    weights: NDArray[np.float32]  #: in the engine's own order


class _RealArrivals:
    """The schedule of real workers: whoever has come is heard."""

    def __init__(self) -> None:
        self.started: deque[int] = deque()  #: workers that are to be sent a mini-batch
        self._come: deque[tuple[int, float]] = deque()

    def come(self, worker: int, time: float) -> None:
        """The gradient of ``worker`` is here."""
        self._come.append((worker, time))

    def start(self, worker: int, time: float) -> None:
        self.started.append(worker)

    def hear(self) -> tuple[int, float]:
        return self._come.popleft()

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return stream_one_by_one(self, number)

    def list_running(self, time: float) -> list[int]:
        raise NotImplementedError("a real gradient cannot be called back")

    def cancel(self, worker: int) -> None:
        raise NotImplementedError("a real gradient cannot be called back")

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """What was on its way is lost: all workers are sent away again."""


class Core:
    """The server of ``config.num_workers`` real workers; ``engine`` holds the weights."""

    def __init__(self, config: RunConfig, engine: Remote) -> None:
        self._engine = engine
        self._arrivals = _RealArrivals()
        self._ledger = Ledger(config.num_workers, self._arrivals, build_policy(config))
        self._needed = config.num_workers - config.backups if config.averages else 1
        self.alive = set(range(config.num_workers))
        self.events: list[Event] = []  #: all so far
        self.tally = Tally()

    def dispatch(self) -> list[Dispatch]:
        """What is to be sent now: each worker that has nothing to do computes on these weights and this mini-batch."""
        workers = [worker for worker in self._arrivals.started if worker in self.alive]
        self._arrivals.started.clear()
        batches = self._ledger.batches
        return [Dispatch(worker, int(batches[worker]), self._engine.weights_of(worker)) for worker in workers]

    def arrive(self, worker: int, computed: Computed, time: float) -> Interval:
        """The gradient of ``worker`` has come, ``time`` seconds after the start; what came of it."""
        self._arrivals.come(worker, time)
        event = self._ledger.advance(1)
        applied = event.applied[0]
        found = self._engine.receive(event, self.tally.steps, computed if applied else None)
        self._record(event)
        return found

    def lose(self, worker: int, time: float) -> Interval:
        """``worker`` is gone. Raises AsgdError where those that are left are too few to go on."""
        self.alive.discard(worker)
        self._record(Events.of([self._ledger.lose(worker, time)]))
        if len(self.alive) < self._needed:
            raise AsgdError(
                f"worker {worker} is lost, and {len(self.alive)} are left where a step needs {self._needed}; start "
                "again with more backups, or find out why workers die"
            )
        return Interval(1, 0, 0.0, 0, NOTHING.gradient_norm)

    def join(self, time: float) -> int | None:
        """Another worker takes the place of one that was lost, the first free one; None where none is."""
        free = [worker for worker in range(self._ledger.num_workers) if worker not in self.alive]
        if not free:
            return None
        self.alive.add(free[0])
        event = Events.of([self._ledger.join(free[0], time)])
        self._engine.receive(event, self.tally.steps, None)
        self._record(event)
        return free[0]

    @property
    def oldest_batch(self) -> int:
        """No mini-batch before this one is in flight."""
        return self._ledger.oldest_batch

    def state(self) -> dict[str, Any]:
        """Everything that is known of the run so far; what is on its way is not in it."""
        return {"ledger": self._ledger.state(), "events": [list(event) for event in self.events]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned: what was on its way is lost, and all workers are new."""
        self._ledger.restore(state["ledger"])
        self.events, self.tally = [], Tally()
        self._record(Events.of(read_events(state["events"])))
        self._arrivals.started.clear()
        for worker in range(self._ledger.num_workers):
            self._record(Events.of([self._ledger.lose(worker, self.tally.time)]))
            event = Events.of([self._ledger.join(worker, self.tally.time)])
            self._engine.receive(event, self.tally.steps, None)
            self._record(event)
        self.alive = set(range(self._ledger.num_workers))

    def _record(self, events: Events) -> None:
        self.tally.add(events)
        self.events += read_events(list(zip(*(getattr(events, name).tolist() for name in Event._fields), strict=True)))


def read_events(rows: Sequence[Sequence[Any]]) -> list[Event]:
    """Events from rows of plain numbers."""
    return [Event(int(w), int(b), int(s), Fate(int(f)), bool(c), float(t)) for w, b, s, f, c, t in rows]
