"""The loop around an engine: step, evaluate, and stop where nothing can change any more."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import MOST_EVALUATIONS, RunConfig
from asgd.simulator.engine import NOTHING, Engine, Interval
from asgd.simulator.events import Tally
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import DEAD, NON_FINITE, classify_outcome
from asgd.simulator.training_set import count_images, find_batch_size

_NAN = math.nan

_COUNTS = ("step", "gradients")

#: Gradients between two reports of progress.
_CHUNK = 500


class Images(Protocol):
    """The images of a run, as arrays [n, 32, 32, 3] uint8 and [n] int64, and the names of their classes."""

    @property
    def train_images(self) -> NDArray[np.uint8]: ...
    @property
    def train_labels(self) -> NDArray[np.int64]: ...
    @property
    def test_images(self) -> NDArray[np.uint8]: ...
    @property
    def test_labels(self) -> NDArray[np.int64]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Row:
    """One evaluation: a row of metrics.csv. Not-a-number where there is none: before the first step, after overflow."""

    step: int  #: server steps
    epoch: float  #: gradients / gradients in an epoch
    train_loss: float = _NAN  #: mean training loss since the evaluation before, at the stale weights, nats
    train_eval_loss: float = _NAN  #: loss on the fixed training subset, without dropout, nats
    train_eval_accuracy: float = _NAN  #: accuracy on that subset, in [0, 1]
    test_loss: float = _NAN  #: nats
    test_accuracy: float = _NAN  #: in [0, 1]
    gradient_norm: float = _NAN  #: of the last step before this evaluation
    zero_gradient_share: float = _NAN  #: share of gradients applied since the evaluation before that were exactly zero
    staleness_displacement: float = _NAN  #: ||W_t - U||, U the weights of the worker heard next
    zero_logit_share: float = _NAN  #: share of test images whose logits are all exactly zero
    gradients: int = 0  #: gradients charged
    time: float = 0.0  #: simulated, in mean times of a gradient on an ordinary worker
    staleness_mean: float = _NAN  #: of the gradients applied since the evaluation before, in server steps
    staleness_max: float = _NAN  #: the largest of them
    correction: float = _NAN  #: median of ||correction|| / ||gradient|| since the evaluation before

    @staticmethod
    def of(values: Mapping[str, float]) -> "Row":
        """The row with these values, by column; tables and arrays hold counts as floats, too."""
        rest = {name: value for name, value in values.items() if name not in _COUNTS}
        return Row(**{name: int(values[name]) for name in _COUNTS}, **rest)  # type: ignore[arg-type]

    @property
    def is_finite(self) -> bool:
        """Whether the server's weights were usable here."""
        return math.isfinite(self.test_loss)


METRICS_COLUMNS = tuple(field.name for field in fields(Row))


#: The columns that the first runs did not write.
LATER_COLUMNS = ("gradients", "time", "staleness_mean", "staleness_max", "correction")
FIRST_COLUMNS = tuple(name for name in METRICS_COLUMNS if name not in LATER_COLUMNS)


@dataclass(frozen=True)
class EvaluationPlan:
    """When a run evaluates, in gradients charged: all that were dispatched count, whatever became of them."""

    total: int
    per_epoch: int
    evaluations_per_epoch: int

    def evaluations(self) -> list[int]:
        """0, then as evenly as whole gradients allow in each epoch, and the last."""
        count = math.ceil(self.total * self.evaluations_per_epoch / self.per_epoch)
        places = {round(k * self.per_epoch / self.evaluations_per_epoch) for k in range(1, count)}
        return [0, *sorted(place for place in places if 0 < place < self.total), self.total]


def plan_evaluations(config: RunConfig, num_train: int) -> EvaluationPlan:
    """Length and evaluations of a run on ``num_train`` images. Raises AsgdError where the numbers do not fit."""
    num_train = count_images(config, num_train)
    per_epoch = num_train // find_batch_size(config, num_train)
    if config.train_eval_images > num_train:
        raise AsgdError(f"train_eval_images = {config.train_eval_images}: the training set has only {num_train} images")
    total = config.steps or round(config.epochs * per_epoch)
    if config.num_workers > total:
        raise AsgdError(
            f"num_workers = {config.num_workers}: more than the {total} gradients of the run, so some workers would "
            "never be heard; train longer or take fewer"
        )
    if total * config.evaluations_per_epoch > MOST_EVALUATIONS * per_epoch:
        raise AsgdError(
            f"steps = {total:,} with evaluations_per_epoch = {config.evaluations_per_epoch:,} are more than "
            f"{MOST_EVALUATIONS:,} evaluations; take fewer"
        )
    return EvaluationPlan(total, per_epoch, config.evaluations_per_epoch)


def simulate(
    engine: Engine,
    images: Images,
    plan: EvaluationPlan,
    train_eval_images: int,
    on_progress: Callable[[int, float], None] = lambda gradients, loss: None,
) -> Iterator[Row]:
    """Yield a row for each evaluation, from where ``engine`` is: new, or restored from its state at an evaluation.

    A dead or non-finite run ends early, because nothing can change any more. ``on_progress`` is called with the
    gradients charged since its last call and the mean loss of those applied.
    """
    start, weights = engine.tally.copy(), engine.weights
    yield _evaluate(engine, images, plan, train_eval_images, start, None)
    for place in plan.evaluations():
        if place <= start.gradients:
            continue
        interval = _advance(engine, place - start.gradients, on_progress)
        row = _evaluate(engine, images, plan, train_eval_images, start, interval)
        yield row
        start, before, weights = engine.tally.copy(), weights, engine.weights
        if ends_early(row, np.array_equal(before, weights), len(images.classes)):
            return


def ends_early(row: Row, frozen: bool, num_classes: int = NUM_CLASSES) -> bool:
    """Whether a run is over before its time: not finite, or dead with weights that no longer move (``frozen``)."""
    outcome = classify_outcome(row.test_accuracy, row.zero_gradient_share, row.is_finite, num_classes)
    return outcome == NON_FINITE or (outcome == DEAD and frozen)


def _advance(engine: Engine, number: int, on_progress: Callable[[int, float], None]) -> Interval:
    found = NOTHING
    for first in range(0, number, _CHUNK):
        part = engine.advance(min(_CHUNK, number - first))
        on_progress(part.num_gradients, part.loss_sum / part.num_applied if part.num_applied else math.nan)
        found = found.join(part)
        if not math.isfinite(found.loss_sum):  # and never will be again
            engine.skip(number - found.num_gradients)
            break
    return found


def _evaluate(
    engine: Engine,
    images: Images,
    plan: EvaluationPlan,
    train_eval_images: int,
    start: Tally,
    interval: Interval | None,
) -> Row:
    tally = engine.tally
    mean, largest = _describe_staleness(start, tally)
    row = Row(
        tally.steps,
        tally.gradients / plan.per_epoch,
        gradients=tally.gradients,
        time=tally.time,
        staleness_mean=mean,
        staleness_max=largest,
    )
    if interval and not (math.isfinite(interval.loss_sum) and np.isfinite(engine.weights).all()):
        return row
    test = engine.evaluate(images.test_images, images.test_labels)
    if not math.isfinite(test.loss):
        return row
    row = replace(row, test_loss=test.loss, test_accuracy=test.accuracy, zero_logit_share=test.zero_logit_share)
    if interval and interval.num_applied:
        row = replace(
            row,
            train_loss=interval.loss_sum / interval.num_applied,
            zero_gradient_share=interval.num_zero_gradients / interval.num_applied,
        )
    if interval:
        correction = float(np.median(interval.corrections)) if interval.corrections else _NAN
        row = replace(row, gradient_norm=interval.gradient_norm, correction=correction)
    if train_eval_images:
        train = engine.evaluate(images.train_images[:train_eval_images], images.train_labels[:train_eval_images])
        row = replace(row, train_eval_loss=train.loss, train_eval_accuracy=train.accuracy)
    return replace(row, staleness_displacement=engine.staleness_displacement())


def _describe_staleness(start: Tally, now: Tally) -> tuple[float, float]:
    """Mean and maximum of the staleness of the gradients applied since ``start``; not-a-number if there are none."""
    counts = now.staleness.copy()
    counts[: len(start.staleness)] -= start.staleness
    found = np.flatnonzero(counts)
    if not len(found):
        return _NAN, _NAN
    return float(counts @ np.arange(len(counts)) / counts.sum()), float(found[-1])
