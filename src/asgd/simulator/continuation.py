"""The rest of a run that stopped: with what was there at one of its evaluations, it ends as if it had not stopped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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

    @staticmethod
    def none(backend: str) -> "Checkpoint":
        """That of a run which has not begun."""
        return Checkpoint([], {}, backend, 0.0)


@dataclass(frozen=True)
class _Rest(EvaluationPlan):
    """What a run that stopped at the evaluation of step ``done`` has left, as a plan that begins at 0."""

    done: int

    def evaluation_steps(self) -> list[int]:
        return [0, *(step - self.done for step in super().evaluation_steps() if step > self.done)]


def continue_run(
    engine: Engine,
    images: Images,
    plan: EvaluationPlan,
    train_eval_images: int,
    saved: Checkpoint,
    on_progress: OnSteps,
) -> Iterator[Row]:
    """The rows of ``asgd.simulator.simulate`` that follow those of ``saved``; ``engine`` is new."""
    if not saved.rows:
        yield from simulate(engine, images, plan, train_eval_images, on_progress)
    if not saved.engine:  # not begun, or finished
        return
    engine.restore(saved.engine)
    done = saved.rows[-1].step
    rest = simulate(engine, images, _Rest(**vars(plan), done=done), train_eval_images, on_progress)
    next(rest)  # the evaluation at which the run stopped
    for row in rest:
        yield replace(row, step=row.step + done, epoch=(row.step + done) / plan.steps_per_epoch)


def may_end(row: Row) -> bool:
    """Whether the run may be over with this row, which only the run itself knows: there is nothing to continue then."""
    return classify_outcome(row.test_accuracy, row.zero_gradient_share, row.is_finite) in (DEAD, NON_FINITE)
