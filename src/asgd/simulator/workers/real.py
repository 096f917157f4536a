"""An engine whose gradients come from real workers: to the run it is an engine like any other."""

import math
import time
from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

from asgd.settings.run import RunConfig
from asgd.simulator.engine import NOTHING, Computed, Engine, Interval, OnPart, Remote, ignore_part
from asgd.simulator.events import Tally
from asgd.simulator.workers.core import Core, Dispatch
from asgd.simulator.workers.logged import LoggedEngine
from asgd.simulator.workers.recording import format_schedule


class Heard(NamedTuple):
    """Something that reached the server."""

    worker: int | None  #: whose gradient came, or who is gone; None: a process is ready to join
    computed: Computed | None  #: None where it is gone


class Transport(Protocol):
    """What carries weights and gradients: ``asgd.simulator.workers.ray_backend``, or a test's own."""

    about: list[dict[str, Any]]  #: what each process that ever computed computes on and with

    def send(self, dispatch: Dispatch) -> None:
        """Have a worker compute."""
        ...

    def admit(self, worker: int) -> None:
        """The process that is ready is ``worker`` from now on."""
        ...

    def hear(self) -> Heard:
        """Wait for what comes next."""
        ...


class LocalEngine(Engine, Remote, Protocol):
    """What the server holds the weights in."""


class RealEngine(LoggedEngine):
    """``engine``, new, whose gradients are computed by the workers behind ``transport``."""

    def __init__(self, config: RunConfig, engine: LocalEngine, transport: Transport) -> None:
        super().__init__(engine)
        self._transport = transport
        self.core = Core(config, engine)
        self._start = time.perf_counter()
        self._seconds, self._waited = 0.0, 0.0  #: seconds in `advance`, and of these, in which the server waited

    @property
    def tally(self) -> Tally:
        """What the gradients so far come to."""
        return self.core.tally

    def advance(self, num_gradients: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Hear ``num_gradients`` more. Those that are lost count."""
        found, end, start = NOTHING, self.tally.gradients + num_gradients, self.tally.gradients
        began = time.perf_counter()
        part, due = NOTHING, [stop + start for stop in stops]
        while self.tally.gradients < end:
            for dispatch in self.core.dispatch():
                self._transport.send(dispatch)
            since = time.perf_counter()
            heard = self._transport.hear()
            self._waited += time.perf_counter() - since
            part = part.join(self._handle(heard))
            if self.tally.gradients in due or self.tally.gradients >= end:
                on_part(part)
                found, part = found.join(part), NOTHING
        self._seconds += time.perf_counter() - began
        return found

    def staleness_displacement(self) -> float:
        """Nobody knows who comes next."""
        return math.nan

    def state(self) -> dict[str, Any]:
        """Everything but what is on its way."""
        seconds = {"run": self._time(), "training": self._seconds, "waiting": self._waited}
        return {**super().state(), "core": self.core.state(), "seconds": seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on, with all workers sent away again."""
        super().restore(state)
        self.core.restore(state["core"])
        seconds = {name: float(value) for name, value in state["seconds"].items()}
        self._start = time.perf_counter() - seconds["run"]
        self._seconds, self._waited = seconds["training"], seconds["waiting"]

    def describe(self) -> tuple[dict[str, Any], str]:
        """What run.json says of the workers, and the text of schedule.csv."""
        about, _ = super().describe()
        about |= {
            "workers": self._transport.about,
            "training_seconds": round(self._seconds, 3),  # without evaluations
            "server_share": round(1 - self._waited / self._seconds, 4) if self._seconds else None,
        }
        return about, format_schedule(self.core.events)

    def _handle(self, heard: Heard) -> Interval:
        now = self._time()
        if heard.worker is None:
            joined = self.core.join(now)
            if joined is not None:
                self._transport.admit(joined)
            return NOTHING
        if heard.computed is None:
            return self.core.lose(heard.worker, now)
        return self.core.arrive(heard.worker, heard.computed, now)

    def _time(self) -> float:
        return time.perf_counter() - self._start
