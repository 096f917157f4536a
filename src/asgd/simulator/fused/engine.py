"""The fused engine: the simulation of one run on one CPU core, behind the ``Engine`` protocol."""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator import events as course
from asgd.simulator.engine import (
    NOTHING,
    Computed,
    Evaluation,
    Interval,
    OnPart,
    cut,
    find_sampled,
    ignore_part,
    measure_distance,
)
from asgd.simulator.events import Tally
from asgd.simulator.fused import layout, updates
from asgd.simulator.fused.compiling import load_program
from asgd.simulator.fused.kernels import choose_kernels
from asgd.simulator.fused.program import GIVEN, SENT, Data, Events, Part, Settings
from asgd.simulator.networks import shapes as architecture
from asgd.simulator.parts import build_course, build_rule, count_averaged
from asgd.simulator.streams import BatchStream, dropout_scale, dropout_threshold, stream
from asgd.simulator.training_set import find_batch_size, select_images

#: Gradients whose losses are summed, before they are added to the others.
CHUNK = 128

#: The most samples in one call of the compiled program: their indices and masks are drawn before it.
LARGEST_PART = 8192

_FEATURES = {1: 1600, 2: 400}
_NO_MASKS = np.zeros(0, np.uint16)


class FusedEngine:
    """Simulates one run of the paper's network; see `asgd.simulator.engine.Engine` for the methods.

    ``train_images`` [n, 32, 32, 3] uint8 (C-contiguous, possibly memory-mapped) and ``train_labels`` [n] int64 are
    not copied. ``weights`` [num_parameters] replaces the initial weights that the seed draws. ``kernels`` is
    ``vector``, ``plain`` or ``auto``. Raises AsgdError for what the engine does not have, for images of another shape
    or type, for labels that are not classes, or where there are fewer images than a mini-batch takes.
    """

    def __init__(
        self,
        config: RunConfig,
        train_images: NDArray[np.uint8],
        train_labels: NDArray[np.int64],
        *,
        weights: NDArray[np.float32] | None = None,
        kernels: str = "auto",
    ) -> None:
        if lacks := config.fused_lacks:
            raise AsgdError(f"the fused engine has no {lacks}; use engine=reference")
        self.config = config
        self.backend = choose_kernels(kernels)
        self._images, self._labels = _check_images(*select_images(config, train_images, train_labels))
        batch_size = find_batch_size(config, len(self._labels))
        self._program = load_program(self.backend)
        self._averaged = count_averaged(config)
        self._settings = make_settings(config, batch_size, self._averaged)
        self._scratch = layout.allocate_scratch(self._settings.num_features)
        self._positions = layout.weight_positions(config.pools)
        self._batches = BatchStream(config.seed, len(self._labels), batch_size, self._settings.num_masks)
        self._course = build_course(config)
        self._rule = build_rule(config)
        size = self._settings.num_weights
        if weights is None:
            weights = architecture.draw_initial_weights(stream(config.seed, "weights"), config.pools)
        # Where a step is the mean of gradients all are taken at the present weights, so there is one copy of them.
        # The server's own weights need a place under `look_ahead` alone, behind those that workers were sent.
        num_slots = 1 if config.averages else config.num_workers
        num_places = num_slots + self._rule.looks_ahead
        self._ring = layout.aligned(num_places * size)
        self._places = self._ring.reshape(num_places, size)
        self._places[:, self._positions] = weights
        self._served = num_places - 1  #: the place of the server's weights
        velocities = config.num_workers if self._settings.momentum_at_worker else 1
        self._velocities = layout.aligned(velocities * size if config.momentum > 0 else 0)
        self._total = layout.aligned(size if self._averaged > 1 else 0)
        self._opens = True  #: whether the next gradient is the first since a step
        self._update = updates.make_update(config, self._rule, size)
        # The velocity of the averaging convention is (1 - b) times that of PyTorch's, with the same b and gradients.
        # So PyTorch's is kept, and the factor goes into the learning rate.
        averaging = 1 - config.momentum if config.momentum_convention == "ema" else 1.0
        self._rate = -config.learning_rate * averaging

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights, in PyTorch's order: [num_parameters]."""
        current: NDArray[np.float32] = self._places[self._served]
        return current[self._positions]

    @property
    def tally(self) -> Tally:
        """What the gradients so far come to."""
        return self._course.tally

    def advance(self, num_gradients: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Go on until ``num_gradients`` more are charged."""
        found = NOTHING
        most = max(1, LARGEST_PART // self._settings.batch_size)
        for start in range(0, num_gradients, CHUNK):
            chunk = NOTHING  # its sum goes on over stops: the order of a sum decides its last bits
            end = min(start + CHUNK, num_gradients)
            for first, last in cut(start, end, sorted({*stops, *range(start, end, most)})):
                part = self._take_gradients(last - first, chunk.loss_sum)
                on_part(replace(part, loss_sum=part.loss_sum - chunk.loss_sum))
                chunk = replace(chunk.join(part), loss_sum=part.loss_sum)
            found = found.join(chunk)
        return found

    def skip(self, num_gradients: int) -> None:
        """Charge ``num_gradients`` more without computing them."""
        self._course.take(num_gradients)

    def _take_gradients(self, number: int, loss: float) -> Interval:
        """What happens over ``number`` gradients, whose losses are added to ``loss``."""
        first_step = self.tally.steps
        found = self._handle(self._course.take(number), first_step, loss)
        self._batches.forget(self._course.oldest_batch)
        return replace(found, num_gradients=number)

    def _handle(self, taken: course.Events, first_step: int, loss: float, given: bool = False) -> Interval:
        """What comes of some events; ``first_step``: steps before them; ``given``: gradients computed elsewhere."""
        sampled = find_sampled(taken, first_step)
        if self.config.averages:  # no worker has weights of its own: what is not applied leaves no trace
            taken, sampled = taken.select(taken.applied), sampled[taken.applied]
        events = self._describe(taken, first_step)
        numbers = taken.batch[events.applied != SENT]
        if given:
            events = events._replace(applied=events.applied * GIVEN)
        found = self._run(events, numbers[:0] if given else numbers, loss) if len(taken.worker) else (loss, 0, math.nan)
        corrections = events.corrections[sampled].tolist() if self._rule.corrects else []
        return Interval(len(taken.worker), len(numbers), *found, tuple(corrections))

    def compute(self, weights: NDArray[np.float32], batch: int) -> Computed:
        """The gradient of mini-batch number ``batch`` at ``weights``, both in the engine's own order."""
        settings = self._settings._replace(momentum=np.float32(0), momentum_at_worker=False)
        one, zero = np.ones(1, np.uint8), np.zeros(1, np.uint8)
        events = first_events()._replace(applied=one, closes=zero)
        self._batches.forget(batch)  # what a worker is sent later has a higher number
        ring = layout.aligned(settings.num_weights)
        ring[:] = weights
        loss, num_zero, _, _ = self._call(events, np.array([batch]), 0.0, ring, updates.make_plain(), settings)
        return Computed(float(loss), self._scratch.gradient.copy(), bool(num_zero))

    def weights_of(self, worker: int) -> NDArray[np.float32]:
        """The weights that ``worker`` was sent, in the engine's own order."""
        sent: NDArray[np.float32] = self._places[0 if self.config.averages else worker]
        return sent.copy()

    def receive(self, event: course.Events, first_step: int, computed: Computed | None) -> Interval:
        """A single event, with the gradient that its worker computed."""
        if computed is None:
            return replace(self._handle(event, first_step, 0.0), num_gradients=1)
        self._scratch.gradient[:] = computed.gradient
        found = self._handle(event, first_step, computed.loss, given=True)
        return replace(found, num_gradients=1, num_zero_gradients=int(computed.is_zero))

    def _describe(self, taken: course.Events, first_step: int) -> Events:
        """Events as the compiled program takes them."""
        number = len(taken.worker)
        opens = np.ones(number, np.uint8)
        if self._averaged > 1 and number:
            opens[0], opens[1:], self._opens = self._opens, taken.closes[:-1], bool(taken.closes[-1])
        factors = self._find_factors(taken.staleness)
        steps = first_step + np.cumsum(taken.closes)
        return Events(
            slots=np.zeros(number, np.int64) if self.config.averages else taken.worker,
            applied=taken.applied.astype(np.uint8),
            opens=opens,
            closes=taken.closes.astype(np.uint8),
            rates=(self._rate * factors).astype(np.float32),
            biases=updates.find_biases(self._update, self._rule, steps),
            corrections=1 - factors,
        )

    def _find_factors(self, staleness: NDArray[np.int64]) -> NDArray[np.float64]:
        if not self._rule.corrects or self._update.code != updates.PLAIN:
            return np.ones(len(staleness))
        return np.array([self._rule.factor(each) for each in staleness.tolist()], np.float64)

    def _run(self, events: Events, numbers: NDArray[np.int64], loss: float) -> tuple[float, int, float]:
        """The losses added to ``loss``, how many gradients are zero, the norm of the last step's.

        ``numbers``: of the mini-batches of the gradients applied. A single large one is taken in parts.
        """
        loss, zero, norm, served = self._call(events, numbers, loss, self._ring, self._update, self._settings)
        if not self._rule.looks_ahead:
            self._served = int(served)
        return loss, zero, norm

    def _call(
        self,
        events: Events,
        numbers: NDArray[np.int64],
        loss: float,
        ring: NDArray[np.float32],
        update: updates.Update,
        settings: Settings,
    ) -> tuple[float, int, float, int]:
        size = settings.batch_size
        closing = np.flatnonzero(events.closes)
        last_step = int(closing[-1]) if len(closing) else len(events.closes) - 1
        indices = self._batches.indices(numbers)
        zeros, norm, served = [], math.nan, self._served
        for first in range(0, size, LARGEST_PART) if len(numbers) == 1 else [0]:
            last = min(first + LARGEST_PART, size) if len(numbers) == 1 else size
            masks = self._batches.masks(numbers, first, last).reshape(-1) if settings.num_masks else _NO_MASKS
            part = np.array(indices[:, first:last]).reshape(-1)
            loss, zero, norm, served = self._program.take_steps(
                Data(self._images, self._labels, part, masks),
                Part(last - first, first == 0, last == size),
                events,
                last_step,
                self._served if ring is self._ring else 0,
                loss,
                ring,
                self._velocities,
                self._total,
                update,
                self._scratch,
                settings,
            )
            zeros.append(zero)
        return loss, min(zeros), norm, served

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights on ``images`` [n >= 1, 32, 32, 3] and ``labels`` [n]."""
        flat, classes = _check_images(images, labels)
        data = Data(flat, classes, np.arange(len(classes), dtype=np.int32), _NO_MASKS)
        settings = self._settings._replace(dropout_threshold=0, num_masks=0)
        at = self._served * settings.num_weights
        loss, correct, silent = self._program.evaluate(data, len(classes), self._ring, at, self._scratch, settings)
        return Evaluation(loss / len(classes), correct / len(classes), silent / len(classes))

    def gradient(
        self, indices: NDArray[np.int32], masks: NDArray[np.uint16] | None = None
    ) -> tuple[float, NDArray[np.float32]]:
        """Loss and gradient [num_parameters], in PyTorch's order, of one mini-batch at the server's weights.

        ``indices`` [batch] are training images; ``masks`` [batch, 204] the numbers that decide on dropout.
        """
        count = len(indices)
        settings = self._settings._replace(batch_size=count, divisor=count, momentum=np.float32(0))
        settings = settings._replace(momentum_at_worker=False)
        if masks is None:
            settings = settings._replace(dropout_threshold=0, dropout_scale=np.float32(1))
        numbers = np.array(indices, np.int32), _NO_MASKS if masks is None else np.array(masks, np.uint16).reshape(-1)
        weights = layout.aligned(settings.num_weights)  # the step spoils them
        weights[:] = self._places[self._served]
        none, found = layout.aligned(0), self._scratch.gradient
        arguments = first_events(), 0, 0, 0.0, weights, none, none, updates.make_plain(), self._scratch
        data, part = Data(self._images, self._labels, *numbers), Part(count, True, True)
        loss, _, _, _ = self._program.take_steps(data, part, *arguments, settings)
        return loss, found[self._positions]

    def staleness_displacement(self) -> float:
        """||W_t - U|| of the server's weights and those of the worker whose gradient comes next."""
        worker = self._course.find_next()
        if worker is None:
            return math.nan
        return measure_distance(self._places[self._served], self._places[0 if self.config.averages else worker])

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit, with either variant's own arithmetic."""
        arrays = {name: target.copy() for name, target in self._memory().items()}
        return {**arrays, "served": self._served, "opens": self._opens, "course": self._course.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from ``state``. Raises AsgdError if it is of another configuration."""
        for name, target in self._memory().items():
            if np.shape(state[name]) != target.shape:
                raise AsgdError(f"{name}: the saved state is of another configuration; start the run again")
            target[:] = state[name]
        self._served, self._opens = int(state["served"]), bool(state["opens"])
        self._course.restore(state["course"])

    def _memory(self) -> dict[str, NDArray[np.float32]]:
        arrays = {"ring": self._ring, "velocities": self._velocities, "memory": self._update.memory}
        return {**arrays, "total": self._total}


def make_settings(config: RunConfig, batch_size: int, averaged: int = 1) -> Settings:
    """The configuration as the numbers that the compiled program takes."""
    features = _FEATURES[config.pools]
    return Settings(
        batch_size=batch_size,
        divisor=batch_size * averaged,
        pools=config.pools,
        num_features=features,
        layers=layout.dense_layers(features),
        num_weights=layout.num_weights(features),
        output_relu=config.output_relu,
        momentum=np.float32(config.momentum),
        momentum_at_worker=config.momentum_where == "worker" and config.momentum > 0,
        dropout_threshold=dropout_threshold(config.dropout),
        dropout_scale=np.float32(dropout_scale(config.dropout)),
        num_masks=architecture.NUM_DROPOUT_UNITS if config.dropout > 0 else 0,
    )


def first_events() -> Events:
    """A single gradient that is applied, without moving the weights."""
    one, zero = np.ones(1, np.uint8), np.zeros(1, np.float32)
    return Events(np.zeros(1, np.int64), one, one, one, zero, zero, np.zeros(1))


def _check_images(images: Any, labels: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images as one flat array, not copied, and labels; AsgdError if the kernels could not take them."""
    if images.dtype != np.uint8 or images.shape[1:] != architecture.IMAGE_SHAPE or not images.flags.c_contiguous:
        raise AsgdError(f"images: must be contiguous uint8 [n, 32, 32, 3], not {images.dtype} {images.shape}")
    classes = np.array(labels, np.int64)
    if classes.shape != images.shape[:1] or not len(classes):
        raise AsgdError(f"labels: {classes.shape} for {len(images)} images; give one label for each image")
    if classes.min() < 0 or classes.max() >= architecture.NUM_CLASSES:
        raise AsgdError(f"labels: must be 0 to {architecture.NUM_CLASSES - 1}, not {classes.min()} to {classes.max()}")
    return np.asarray(_Writable(images)), classes


class _Writable:
    """A flat view of images whose type is 'writable', though nothing writes: Numba would compile twice otherwise."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images  # the view must keep the memory alive
        address = images.__array_interface__["data"][0]
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (images.size,), "data": (address, False)}
