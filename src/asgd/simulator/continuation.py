"""The rest of a run that stopped: with what was there at one of its evaluations, it ends as if it had not stopped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asgd.simulator.engine import Engine
from asgd.simulator.outcome import DEAD, NON_FINITE, classify_outcome
from asgd.simulator.simulate import EvaluationPlan, Images, Row, simulate

OnSteps = Callable[[int, float], None]


@dataclass(frozen=True)
class Checkpoint:
    """A run at its last row."""

    rows: Sequence[Row]
    engine: dict[str, Any]  #: what ``Engine.state`` returned; nothing once the run is finished
    backend: str  #: of the engine: another one rounds differently
    seconds: float  #: of computing so far
    probes: dict[str, Any] = field(default_factory=dict)  #: what ``ProbedEngine.found`` returned
    tally: dict[str, Any] = field(default_factory=dict)  #: what ``Tally.state`` returned

    @staticmethod
    def none(backend: str) -> "Checkpoint":
        """That of a run which has not begun."""
        return Checkpoint([], {}, backend, 0.0)


def continue_run(
    engine: Engine,
    images: Images,
    plan: EvaluationPlan,
    train_eval_images: int,
    saved: Checkpoint,
    on_progress: OnSteps,
) -> Iterator[Row]:
    """The rows of ``asgd.simulator.simulate`` that follow those of ``saved``; ``engine`` is new."""
    rest = simulate(engine, images, plan, train_eval_images, on_progress)
    if not saved.rows:
        yield from rest
    elif saved.engine:  # not finished
        engine.restore(saved.engine)
        next(rest)  # the evaluation at which the run stopped
        yield from rest


def may_end(row: Row, num_classes: int) -> bool:
    """Whether the run may be over with this row, which only the run itself knows: there is nothing to continue then."""
    outcome = classify_outcome(row.test_accuracy, row.zero_gradient_share, row.is_finite, num_classes)
    return outcome in (DEAD, NON_FINITE)
