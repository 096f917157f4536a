"""The loop around an engine: the plan, the four outcomes, and early ends."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.simulator.outcome import classify_outcome
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.simulate import EvaluationPlan, Row, simulate


@dataclass
class Images:
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...] = tuple("0123456789")


def colour_images(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Ten classes told apart by brightness: learnt within a few hundred steps."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    noise = rng.integers(0, 12, (count, 32, 32, 3))
    return (labels[:, None, None, None] * 25 + noise).astype(np.uint8), labels


IMAGES = Images(*colour_images(200, 0), *colour_images(100, 1))
SCHEDULE = EvaluationPlan(total=100, per_epoch=50, evaluations_per_epoch=2)


def run(plan: EvaluationPlan = SCHEDULE, bias: float | None = None, **settings: Any) -> list[Row]:
    engine = ReferenceEngine(RunConfig(**settings), IMAGES.train_images, IMAGES.train_labels)
    if bias is not None:
        for weights in (engine.server.weights, *engine.server.sent):
            weights[-10:] = bias
    return list(simulate(engine, IMAGES, plan, train_eval_images=20))


def outcome(rows: list[Row]) -> str:
    return classify_outcome(rows[-1].test_accuracy, rows[-1].zero_gradient_share, rows[-1].is_finite)


@given(total=st.integers(1, 500), per_epoch=st.integers(1, 100), evaluations=st.integers(1, 12))
def test_a_schedule_starts_at_0_ends_at_the_last_step_and_rises(total: int, per_epoch: int, evaluations: int) -> None:
    steps = EvaluationPlan(total, per_epoch, evaluations).evaluations()
    assert (steps[0], steps[-1]) == (0, total)
    assert all(a < b for a, b in itertools.pairwise(steps))
    assert set(range(per_epoch, total, per_epoch)) <= set(steps)


def test_four_evaluations_an_epoch() -> None:
    assert EvaluationPlan(25000, 12500, 4).evaluations() == [3125 * k for k in range(9)]


def test_a_run_that_trains() -> None:
    rows = run(EvaluationPlan(400, 50, 1), output_relu=False, learning_rate=0.02)
    assert outcome(rows) == "trained"
    assert [row.step for row in rows] == [50 * k for k in range(9)]
    assert rows[-1].test_loss < rows[0].test_loss
    assert math.isnan(rows[0].train_loss)
    assert rows[-1].gradient_norm > 0


def test_a_run_that_stays_alive_at_chance() -> None:
    rows = run(learning_rate=1e-9)
    assert outcome(rows) == "plateau"
    assert rows[-1].step == SCHEDULE.total


def test_a_dead_run_stops_early_with_constant_loss() -> None:
    rows = run(bias=-1e3)
    assert outcome(rows) == "dead"
    assert [row.step for row in rows] == [0, 25]
    assert rows[-1].zero_logit_share == rows[-1].zero_gradient_share == 1
    assert rows[-1].train_loss == pytest.approx(math.log(10), rel=1e-6)


def test_a_run_that_dies_while_its_weights_still_move_goes_on() -> None:
    """The gradient is exactly zero, but the velocity of an earlier one is not: it may yet come back to life."""
    engine = ReferenceEngine(RunConfig(momentum=0.99), IMAGES.train_images, IMAGES.train_labels)
    engine.server.weights[-10:] = engine.server.sent[0][-10:] = -1e3
    engine.server.velocities[0][:] = 1e-3
    rows = list(simulate(engine, IMAGES, SCHEDULE, 20))
    assert rows[1].zero_gradient_share == 1
    assert rows[-1].step == SCHEDULE.total


def test_a_run_that_overflows_stops_early_with_empty_cells() -> None:
    rows = run(output_relu=False, learning_rate=1e6)
    assert outcome(rows) == "non_finite"
    assert rows[-1].step < SCHEDULE.total
    assert math.isnan(rows[-1].test_accuracy)
    assert all(math.isfinite(row.test_loss) for row in rows[:-1])


@pytest.mark.parametrize(
    ("accuracy", "zero_share", "finite", "expected"),
    [
        (0.5, 0.0, True, "trained"),
        (0.1501, 1.0, True, "trained"),
        (0.15, 0.999, True, "plateau"),
        (0.1, 1.0, True, "dead"),
        (0.5, 0.0, False, "non_finite"),
    ],
)
def test_the_rule_of_the_outcomes(accuracy: float, zero_share: float, finite: bool, expected: str) -> None:
    assert classify_outcome(accuracy, zero_share, finite) == expected


def test_progress_counts_every_step() -> None:
    steps = []
    engine = ReferenceEngine(RunConfig(), IMAGES.train_images, IMAGES.train_labels)
    list(simulate(engine, IMAGES, EvaluationPlan(60, 50, 2), 0, lambda count, loss: steps.append(count)))
    assert sum(steps) == 60
