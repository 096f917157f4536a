"""The loop around an engine: step, evaluate, and stop where nothing can change any more."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import MOST_EVALUATIONS, RunConfig
from asgd.simulator.engine import Engine, Interval
from asgd.simulator.outcome import DEAD, NON_FINITE, classify_outcome

_NAN = math.nan

#: Steps between two reports of progress.
_CHUNK = 500


class Images(Protocol):
    """The images of a run, as arrays [n, 32, 32, 3] uint8 and [n] int64."""

    @property
    def train_images(self) -> NDArray[np.uint8]: ...
    @property
    def train_labels(self) -> NDArray[np.int64]: ...
    @property
    def test_images(self) -> NDArray[np.uint8]: ...
    @property
    def test_labels(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class Row:
    """One evaluation: a row of metrics.csv. Not-a-number where there is none: before the first step, after overflow."""

    step: int
    epoch: float
    train_loss: float = _NAN  #: mean training loss since the evaluation before, at the stale weights, nats
    train_eval_loss: float = _NAN  #: loss on the fixed training subset, without dropout, nats
    train_eval_accuracy: float = _NAN  #: accuracy on that subset, in [0, 1]
    test_loss: float = _NAN  #: nats
    test_accuracy: float = _NAN  #: in [0, 1]
    gradient_norm: float = _NAN  #: of the last step before this evaluation
    zero_gradient_share: float = _NAN  #: share of steps since the evaluation before whose gradient was exactly zero
    staleness_displacement: float = _NAN  #: ||W_t - W_{t-tau}||
    zero_logit_share: float = _NAN  #: share of test images whose logits are all exactly zero

    @property
    def is_finite(self) -> bool:
        """Whether the server's weights were usable here."""
        return math.isfinite(self.test_loss)


METRICS_COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True)
class EvaluationPlan:
    """When a run evaluates, in server steps."""

    total_steps: int
    steps_per_epoch: int
    evaluations_per_epoch: int

    def evaluation_steps(self) -> list[int]:
        """0, then as evenly as whole steps allow in each epoch, and the last step."""
        count = math.ceil(self.total_steps * self.evaluations_per_epoch / self.steps_per_epoch)
        steps = {round(k * self.steps_per_epoch / self.evaluations_per_epoch) for k in range(1, count)}
        return [0, *sorted(step for step in steps if 0 < step < self.total_steps), self.total_steps]


def plan_evaluations(config: RunConfig, num_train: int) -> EvaluationPlan:
    """Steps and evaluations of a run on ``num_train`` images. Raises AsgdError where the numbers do not fit."""
    steps_per_epoch = num_train // config.batch_size
    if steps_per_epoch == 0:
        raise AsgdError(f"batch_size = {config.batch_size}: larger than the training set of {num_train} images")
    if config.train_eval_images > num_train:
        raise AsgdError(f"train_eval_images = {config.train_eval_images}: the training set has only {num_train} images")
    total = config.steps or round(config.epochs * steps_per_epoch)
    if config.num_workers > total:
        raise AsgdError(
            f"num_workers = {config.num_workers}: more than the {total} steps of the run, so some workers would never "
            "be heard; train longer or take fewer"
        )
    if total * config.evaluations_per_epoch > MOST_EVALUATIONS * steps_per_epoch:
        raise AsgdError(
            f"steps = {total:,} with evaluations_per_epoch = {config.evaluations_per_epoch:,} are more than "
            f"{MOST_EVALUATIONS:,} evaluations; take fewer"
        )
    return EvaluationPlan(total, steps_per_epoch, config.evaluations_per_epoch)


def simulate(
    engine: Engine,
    images: Images,
    plan: EvaluationPlan,
    train_eval_images: int,
    on_progress: Callable[[int, float], None] = lambda steps, loss: None,
) -> Iterator[Row]:
    """Yield a row for each evaluation. A dead or non-finite run ends early, because nothing can change any more.

    ``on_progress`` is called with the steps taken since its last call and their mean loss.
    """
    row, weights = _evaluate(engine, images, train_eval_images, 0, 0.0, None), engine.weights
    yield row
    for step in plan.evaluation_steps()[1:]:
        interval = _advance(engine, step - row.step, on_progress)
        row = _evaluate(engine, images, train_eval_images, step, step / plan.steps_per_epoch, interval)
        yield row
        before, weights = weights, engine.weights
        if ends_early(row, frozen=np.array_equal(before, weights)):
            return


def ends_early(row: Row, frozen: bool) -> bool:
    """Whether a run is over before its time: not finite, or dead with weights that no longer move (``frozen``)."""
    outcome = classify_outcome(row.test_accuracy, row.zero_gradient_share, row.is_finite)
    return outcome == NON_FINITE or (outcome == DEAD and frozen)


def _advance(engine: Engine, num_steps: int, on_progress: Callable[[int, float], None]) -> Interval:
    loss, zero, norm = 0.0, 0, 0.0
    for first in range(0, num_steps, _CHUNK):
        part = engine.advance(min(_CHUNK, num_steps - first))
        on_progress(part.num_steps, part.loss_sum / part.num_steps)
        loss += part.loss_sum
        zero += part.num_zero_gradients
        norm = part.gradient_norm
        if not math.isfinite(loss):
            break
    return Interval(num_steps, loss, zero, norm)


def _evaluate(
    engine: Engine, images: Images, train_eval_images: int, step: int, epoch: float, interval: Interval | None
) -> Row:
    if interval and not (math.isfinite(interval.loss_sum) and np.isfinite(engine.weights).all()):
        return Row(step, epoch)
    test = engine.evaluate(images.test_images, images.test_labels)
    if not math.isfinite(test.loss):
        return Row(step, epoch)
    values = {"test_loss": test.loss, "test_accuracy": test.accuracy, "zero_logit_share": test.zero_logit_share}
    if interval:
        values["train_loss"] = interval.loss_sum / interval.num_steps
        values["gradient_norm"] = interval.gradient_norm
        values["zero_gradient_share"] = interval.num_zero_gradients / interval.num_steps
    if train_eval_images:
        train = engine.evaluate(images.train_images[:train_eval_images], images.train_labels[:train_eval_images])
        values |= {"train_eval_loss": train.loss, "train_eval_accuracy": train.accuracy}
    return Row(step, epoch, staleness_displacement=engine.staleness_displacement(), **values)
