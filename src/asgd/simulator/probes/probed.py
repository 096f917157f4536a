"""An engine that is probed on its way. To the run it is the engine alone: no number changes by it, bit for bit."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.simulator.engine import NOTHING, Engine, Evaluation, Interval, OnPart, ignore_part
from asgd.simulator.events import Tally
from asgd.simulator.simulate import Images, plan_evaluations


class Measure(Protocol):
    """The function ``measure`` of a probe's file: numbers by column, of the server's weights as they are now."""

    def __call__(
        self, engine: Engine, config: RunConfig, images: Images, num_images: int | None
    ) -> Mapping[str, float]: ...


class ProbedEngine:
    """``engine``, new, with the probes of ``config``; ``measures`` holds their functions, by name.

    ``columns`` are those of the rows: see ``asgd.settings.probes.describe_columns``. Where the weights have overflowed
    a probe finds nothing.
    """

    def __init__(
        self,
        engine: Engine,
        config: RunConfig,
        images: Images,
        measures: Mapping[str, Measure],
        columns: Collection[str],
    ) -> None:
        self._engine, self._config, self._images, self._measures = engine, config, images, measures
        self._columns = tuple(columns)
        plan = plan_evaluations(config, len(images.train_images))
        self._per_epoch = plan.per_epoch
        self._due = {name: config.probes[name].places(plan.total, plan.per_epoch) for name in measures}
        self._stops = sorted(set().union(*self._due.values()))
        self.rows: list[dict[str, float]] = []  #: what was found so far
        self._charged, self._last, self._ended = 0, -1, False
        self._since = NOTHING  # the last row

    @property
    def backend(self) -> str:
        """That of the engine."""
        return self._engine.backend

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights."""
        return self._engine.weights

    @property
    def tally(self) -> Tally:
        """What the gradients so far come to."""
        return self._engine.tally

    def advance(self, num_gradients: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Go on until ``num_gradients`` more are charged, and take the probes that fall among them."""
        if not self._charged:
            self._probe()

        def watch(part: Interval) -> None:
            self._note(part)
            on_part(part)

        start = self._charged
        due = (stop - start for stop in self._stops if start < stop <= start + num_gradients)
        return self._engine.advance(num_gradients, sorted({*due, *stops}), watch)

    def skip(self, num_gradients: int) -> None:
        """As the engine does; there is nothing to probe."""
        self._engine.skip(num_gradients)

    def end(self) -> None:
        """The run is over: take the probes that the last step asks for, if it is over early."""
        if not self._ended:
            self._probe(last=True)
        self._ended = True

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """As the engine does."""
        return self._engine.evaluate(images, labels)

    def staleness_displacement(self) -> float:
        """As the engine does."""
        return self._engine.staleness_displacement()

    def state(self) -> dict[str, Any]:
        """That of the engine."""
        return self._engine.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue the engine."""
        self._engine.restore(state)

    def found(self) -> dict[str, Any]:
        """What was found so far, for ``resume``: an array, numbers and a dictionary of them."""
        rows = np.array([list(row.values()) for row in self.rows], np.float64).reshape(-1, len(self._columns))
        return {
            "charged": self._charged,
            "last": self._last,
            "ended": self._ended,
            "since": vars(self._since),
            "rows": rows,
        }

    def resume(self, found: Mapping[str, Any]) -> None:
        """Go on after what ``found`` returned; nothing: from the beginning."""
        if found:
            self._charged, self._last, self._ended = found["charged"], found["last"], found["ended"]
            self._since = Interval(**found["since"] | {"corrections": ()})
            rows = (dict(zip(self._columns, map(float, row), strict=True)) for row in found["rows"])
            self.rows = [row | {"step": int(row["step"])} for row in rows]

    def _note(self, part: Interval) -> None:
        self._charged += part.num_gradients
        self._since = self._since.join(part)
        self._probe()

    def _probe(self, last: bool = False) -> None:
        names = [name for name, places in self._due.items() if last or self._charged in places]
        if not names:
            return
        if not self.rows or self._last != self._charged:
            self._begin_row()
        row = self.rows[-1]
        if np.isfinite(self._engine.weights).all():
            for name in names:
                number = self._config.probes[name].num_images
                found = self._measures[name](self._engine, self._config, self._images, number)
                row |= {column: float(value) for column, value in found.items()}

    def _begin_row(self) -> None:
        place = {"step": self.tally.steps, "epoch": self._charged / self._per_epoch}
        row = dict.fromkeys(self._columns, math.nan) | place
        since = self._since
        if since.num_applied:
            row["train_loss"] = since.loss_sum / since.num_applied
            row["gradient_norm"] = since.gradient_norm
            row["zero_gradient_share"] = since.num_zero_gradients / since.num_applied
        self.rows.append(row)
        self._since, self._last = NOTHING, self._charged
