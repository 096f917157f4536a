"""An engine that remembers its weights at each evaluation: of a real run, or of its replay."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.simulator.engine import Engine, Evaluation, Interval, OnPart, ignore_part
from asgd.simulator.events import Tally
from asgd.simulator.workers.recording import hash_weights


class LoggedEngine:
    """``engine``, new: to the run it is the engine alone. With a recorded schedule it is a replay."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._log: dict[str, str] = {}  #: SHA-256 of the weights by the number of gradients, where they were evaluated

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
        """As the engine."""
        return self._engine.advance(num_gradients, stops, on_part)

    def skip(self, num_gradients: int) -> None:
        """Nothing is charged that was not heard: the run is over."""

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights."""
        self._log[str(self.tally.gradients)] = hash_weights(self)
        return self._engine.evaluate(images, labels)

    def staleness_displacement(self) -> float:
        """As the engine."""
        return self._engine.staleness_displacement()

    def state(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {"engine": self._engine.state(), "weights": self._log}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self._engine.restore(state["engine"])
        self._log = dict(state["weights"])

    def describe(self) -> tuple[dict[str, Any], str]:
        """What run.json says beside, and the text of schedule.csv: none of a replay, which has a recording."""
        return {"weights_sha256": self._log}, ""
