"""An engine that is probed on its way. To the run it is the engine alone: no number changes by it, bit for bit."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine, Evaluation, Interval, OnPart, ignore_part
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
        self._steps_per_epoch = plan.steps_per_epoch
        self._due = {name: config.probes[name].steps(plan.total_steps, plan.steps_per_epoch) for name in measures}
        self._stops = sorted(set().union(*self._due.values()))
        self.rows: list[dict[str, float]] = []  #: what was found so far
        self._step, self._ended = 0, False
        self._since = Interval(0, 0.0, 0, math.nan)  # the last row

    @property
    def backend(self) -> str:
        """That of the engine."""
        return self._engine.backend

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights."""
        return self._engine.weights

    def advance(self, num_steps: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Take ``num_steps`` server steps, and the probes that fall among them."""
        if not self._step:
            self._probe()

        def watch(part: Interval) -> None:
            self._note(part)
            on_part(part)

        start = self._step
        due = (stop - start for stop in self._stops if start < stop <= start + num_steps)
        return self._engine.advance(num_steps, sorted({*due, *stops}), watch)

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
        return {"step": self._step, "ended": self._ended, "since": vars(self._since), "rows": rows}

    def resume(self, found: Mapping[str, Any]) -> None:
        """Go on after what ``found`` returned; nothing: from the beginning."""
        if found:
            self._step, self._ended = found["step"], found["ended"]
            self._since = Interval(**found["since"])
            rows = (dict(zip(self._columns, map(float, row), strict=True)) for row in found["rows"])
            self.rows = [row | {"step": int(row["step"])} for row in rows]

    def _note(self, part: Interval) -> None:
        self._step += part.num_steps
        since = self._since
        self._since = Interval(
            since.num_steps + part.num_steps,
            since.loss_sum + part.loss_sum,
            since.num_zero_gradients + part.num_zero_gradients,
            part.gradient_norm,
        )
        self._probe()

    def _probe(self, last: bool = False) -> None:
        names = [name for name, steps in self._due.items() if last or self._step in steps]
        if not names:
            return
        if not self.rows or self.rows[-1]["step"] != self._step:
            self._begin_row()
        row = self.rows[-1]
        if np.isfinite(self._engine.weights).all():
            for name in names:
                number = self._config.probes[name].num_images
                found = self._measures[name](self._engine, self._config, self._images, number)
                row |= {column: float(value) for column, value in found.items()}

    def _begin_row(self) -> None:
        row = dict.fromkeys(self._columns, math.nan) | {"step": self._step, "epoch": self._step / self._steps_per_epoch}
        if since := self._since.num_steps:
            row["train_loss"] = self._since.loss_sum / since
            row["gradient_norm"] = self._since.gradient_norm
            row["zero_gradient_share"] = self._since.num_zero_gradients / since
        self.rows.append(row)
        self._since = Interval(0, 0.0, 0, math.nan)
