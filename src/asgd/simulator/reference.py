"""The reference engine: PyTorch, any module, any device. The specification that other engines are checked against."""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
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
from asgd.simulator.events import Events, Tally
from asgd.simulator.networks.batch_norm import estimate_statistics, has_statistics
from asgd.simulator.networks.paper import normalize_images
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.parts import build_course, build_network, build_rule, count_averaged
from asgd.simulator.server import Server
from asgd.simulator.streams import BatchStream
from asgd.simulator.training_set import find_batch_size, select_images

Loss = Callable[[Tensor, Tensor], Tensor]

_EVALUATION_BATCH = 500

#: Images whose gradient is taken at once: a large mini-batch would not fit the memory.
_LARGEST_PART = 2048


@contextmanager
def _flush_denormals() -> Iterator[None]:
    """Within the block, denormal numbers are zero: velocities of dead weights decay into them, and they are slow."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class ReferenceEngine:
    """Simulates ``config`` on training ``images`` [n, 32, 32, 3] uint8 and ``labels`` [n] int64.

    ``module`` is any classifier; by default the network of ``config`` with the seed's initial weights, for
    ``num_classes``. Its own parameters are the initial weights, and its dtype and device are the simulation's. A module
    with an attribute ``num_dropout_units`` > 0 is called with that many random numbers per sample as its second
    argument. Raises AsgdError where the images do not fit, or the schedule cannot be had.
    """

    def __init__(
        self,
        config: RunConfig,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        module: nn.Module | None = None,
        loss: Loss = F.cross_entropy,
        num_classes: int = NUM_CLASSES,
    ) -> None:
        self.module = (module or build_network(config, num_classes)).to(config.device)
        self.backend = config.device
        self.images, self.labels = select_images(config, images, labels)
        self.loss = loss
        self._parameters = list(self.module.parameters())
        self.server = Server(
            parameters_to_vector(self._parameters).detach(),
            config.num_workers,
            config.learning_rate,
            config.momentum,
            config.momentum_where,
            config.momentum_convention,
            build_rule(config),
            shared=config.averages,
        )
        units = int(getattr(self.module, "num_dropout_units", 0))
        self._batches = BatchStream(config.seed, len(self.labels), find_batch_size(config, len(self.labels)), units)
        self._check_parts()
        self._course = build_course(config)
        self._averaged = count_averaged(config)
        self._collected = torch.zeros_like(self.server.weights) if self._averaged > 1 else None

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights: [num_parameters]."""
        return self.server.weights.cpu().numpy().copy()

    @property
    def tally(self) -> Tally:
        """What the gradients so far come to."""
        return self._course.tally

    def advance(self, num_gradients: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Go on until ``num_gradients`` more are charged."""
        found = NOTHING
        for first, last in cut(0, num_gradients, stops):
            part = self._take_gradients(last - first, found.loss_sum)
            on_part(replace(part, loss_sum=part.loss_sum - found.loss_sum))
            found = replace(found.join(part), loss_sum=part.loss_sum)
        return found

    def skip(self, num_gradients: int) -> None:
        """Charge ``num_gradients`` more without computing them."""
        self._course.take(num_gradients)

    def _take_gradients(self, number: int, loss_sum: float) -> Interval:
        """What happens over ``number`` gradients, whose losses are added to ``loss_sum``."""
        first_step = self.tally.steps
        found = self._handle(self._course.take(number), first_step, loss_sum)
        self._batches.forget(self._course.oldest_batch)
        return replace(found, num_gradients=number)

    def _handle(self, events: Events, first_step: int, loss_sum: float, given: Computed | None = None) -> Interval:
        """What comes of some events; ``first_step``: steps before them; ``given``: the gradient, computed elsewhere."""
        num_applied, num_zero, corrections = 0, 0, []
        last: Tensor | None = None
        self.module.train()
        applied, sampled = events.applied, find_sampled(events, first_step)
        with _flush_denormals():
            for k in range(len(events.worker)):
                worker = int(events.worker[k])
                if applied[k]:
                    if given:
                        loss, gradient = given.loss, torch.from_numpy(given.gradient.copy()).to(self.server.weights)
                    else:
                        loss, gradient = self._compute(self.server.stale(worker), int(events.batch[k]))
                    loss_sum += loss
                    num_applied += 1
                    num_zero += not bool(gradient.any())
                    gradient = self._collect(gradient, bool(events.closes[k]))
                    if events.closes[k]:
                        last = gradient
                        used = self.server.apply(gradient, worker, int(events.staleness[k]))
                        if sampled[k] and self.server.rule.corrects:
                            used = used * self.server.rule.factor(int(events.staleness[k]))
                            corrections.append(float((used - gradient).norm() / gradient.norm()))
                self.server.send(worker)
        norm = math.nan if last is None else float(last.norm())
        return Interval(len(events.worker), num_applied, loss_sum, num_zero, norm, tuple(corrections))

    def compute(self, weights: NDArray[np.float32], batch: int) -> Computed:
        """The gradient of mini-batch number ``batch`` at ``weights``."""
        self.module.train()
        self._batches.forget(batch)  # what a worker is sent later has a higher number
        with _flush_denormals():
            loss, gradient = self._compute(torch.from_numpy(weights.copy()).to(self.server.weights), batch)
        return Computed(loss, gradient.cpu().numpy(), not bool(gradient.any()))

    def weights_of(self, worker: int) -> NDArray[np.float32]:
        """A copy of the weights that ``worker`` was sent."""
        return self.server.stale(worker).cpu().numpy().copy()

    def receive(self, event: Events, first_step: int, computed: Computed | None) -> Interval:
        """A single event, with the gradient that its worker computed."""
        return self._handle(event, first_step, 0.0, computed)

    def _collect(self, gradient: Tensor, closes: bool) -> Tensor:
        """The gradient that a step is taken with, once ``closes``: the mean of those since the step before."""
        if self._collected is None:
            return gradient
        self._collected.add_(gradient, alpha=1 / self._averaged)
        if not closes:
            return gradient
        mean = self._collected.clone()
        self._collected.zero_()
        return mean

    def _compute(self, weights: Tensor, batch: int) -> tuple[float, Tensor]:
        """Mean loss and gradient of mini-batch number ``batch``, taken in parts where it is large."""
        number, size = np.array([batch]), self._batches.batch_size
        indices, units = self._batches.indices(number)[0], self._batches.num_dropout_units
        loss, total = 0.0, None
        for first in range(0, size, _LARGEST_PART):
            last = min(first + _LARGEST_PART, size)
            masks = self._batches.masks(number, first, last)[0] if units else None
            part_loss, gradient = self.compute_gradient(weights, indices[first:last], masks)
            if size <= _LARGEST_PART:
                return part_loss, gradient
            loss += part_loss * (last - first) / size
            total = (0 if total is None else total) + gradient * ((last - first) / size)
        assert total is not None
        return loss, total

    def compute_gradient(
        self, weights: Tensor, indices: NDArray[np.int32], masks: NDArray[np.uint16] | None = None
    ) -> tuple[float, Tensor]:
        """Mean loss of one mini-batch at ``weights``, and its gradient [num_parameters], as a worker computes them."""
        self._load(weights)
        outputs = self._call(self.images[indices], masks)
        loss = self.loss(outputs, torch.from_numpy(self.labels[indices]).to(outputs.device))
        gradients = torch.autograd.grad(loss, self._parameters)
        return loss.item(), torch.cat([gradient.reshape(-1) for gradient in gradients])

    @torch.no_grad()
    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights, without dropout."""
        self._load(self.server.weights)
        self.module.eval()
        estimate_statistics(self.module, self._call, self.images)
        loss, correct, zero = 0.0, 0, 0
        for first in range(0, len(images), _EVALUATION_BATCH):
            part = slice(first, first + _EVALUATION_BATCH)
            outputs = self._call(images[part], None).double()  # so that a dead run's loss is ln 10 to the last digit
            targets = torch.from_numpy(np.array(labels[part])).to(outputs.device)
            loss += float(self.loss(outputs, targets)) * len(targets)
            correct += int((outputs.argmax(1) == targets).sum())
            zero += int((outputs == 0).all(1).sum())
        return Evaluation(loss / len(images), correct / len(images), zero / len(images))

    def staleness_displacement(self) -> float:
        """||W_t - U|| of the server's weights and those of the worker whose gradient comes next."""
        worker = self._course.find_next()
        if worker is None:
            return math.nan
        weights = (self.server.weights, self.server.stale(worker))
        return measure_distance(*(part.double().cpu().numpy() for part in weights))

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit."""
        collected = {} if self._collected is None else {"collected": self._collected.cpu().numpy().copy()}
        return {"server": self.server.state(), "course": self._course.state(), **collected}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self.server.restore(state["server"])
        self._course.restore(state["course"])
        if self._collected is not None:
            self._collected.copy_(torch.from_numpy(state["collected"]))

    @torch.no_grad()
    def _load(self, weights: Tensor) -> None:
        """Set the module's parameters. Those in another order of memory, which convolves faster, keep it by a copy."""
        parts = torch.split(weights, [parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            if parameter.is_contiguous():
                parameter.data = part.view_as(parameter)
            else:
                parameter.copy_(part.view_as(parameter))

    def _check_parts(self) -> None:
        if self._batches.batch_size > _LARGEST_PART and has_statistics(self.module):
            raise AsgdError(
                f"batch_size: {self._batches.batch_size:,} images cannot be normalised as one mini-batch; take at most "
                f"{_LARGEST_PART:,}, by batch_size or num_images"
            )

    def _call(self, images: NDArray[np.uint8], masks: NDArray[np.uint16] | None = None) -> Tensor:
        parameter = self._parameters[0]
        inputs = normalize_images(images, parameter.dtype, str(parameter.device))
        if masks is None:
            outputs: Tensor = self.module(inputs)
        else:
            outputs = self.module(inputs, torch.from_numpy(masks.astype(np.int32)).to(parameter.device))
        return outputs
