"""The reference engine: PyTorch, any module, any device. The specification that other engines are checked against."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from asgd.settings.run import RunConfig
from asgd.simulator.engine import Evaluation, Interval, OnPart, cut, ignore_part, measure_distance
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images
from asgd.simulator.networks.shapes import draw_initial_weights
from asgd.simulator.server import Server
from asgd.simulator.streams import BatchStream, stream

Loss = Callable[[Tensor, Tensor], Tensor]

_EVALUATION_BATCH = 500


def build_network(config: RunConfig) -> PaperNetwork:
    """The paper's network in the configuration's reading, with the initial weights of the run's seed."""
    network = PaperNetwork(config.pools, config.output_relu, config.dropout)
    load_weights(network, draw_initial_weights(stream(config.seed, "weights"), config.pools))
    return network


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

    ``module`` is any classifier; by default the paper's network with the seed's initial weights. Its own parameters
    are the initial weights, and its dtype and device are the simulation's. A module with an attribute
    ``num_dropout_units`` > 0 is called with that many random numbers per sample as its second argument.
    """

    def __init__(
        self,
        config: RunConfig,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        module: nn.Module | None = None,
        loss: Loss = F.cross_entropy,
    ) -> None:
        self.module = (module or build_network(config)).to(config.device)
        self.backend = config.device
        self.images = images
        self.labels = labels
        self.loss = loss
        self._parameters = list(self.module.parameters())
        self.server = Server(
            parameters_to_vector(self._parameters).detach(),
            config.num_workers,
            config.learning_rate,
            config.momentum,
            config.momentum_where,
            config.momentum_convention,
        )
        units = int(getattr(self.module, "num_dropout_units", 0))
        self._batches = BatchStream(config.seed, len(images), config.batch_size, units)

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights: [num_parameters]."""
        return self.server.weights.cpu().numpy().copy()

    def advance(self, num_steps: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Take ``num_steps`` server steps."""
        loss, zeros, norm = 0.0, 0, 0.0
        for first, last in cut(0, num_steps, stops):
            before = loss
            loss, more_zeros, norm = self._take_steps(last - first, before)
            zeros += more_zeros
            on_part(Interval(last - first, loss - before, more_zeros, norm))
        return Interval(num_steps, loss, zeros, norm)

    def _take_steps(self, number: int, loss_sum: float) -> tuple[float, int, float]:
        """The losses of ``number`` steps added to ``loss_sum``, the zero gradients, the last gradient's norm."""
        num_zero, norm = 0, 0.0
        self.module.train()
        with _flush_denormals():
            for indices in self._batches.take_indices(number):
                loss, gradient = self.compute_gradient(self.server.worker.weights, indices, self._take_mask())
                self.server.step(gradient)
                loss_sum += loss
                norm = float(gradient.norm())
                num_zero += norm == 0 and not bool(gradient.any())
        return loss_sum, num_zero, norm

    def compute_gradient(
        self, weights: Tensor, indices: NDArray[np.int32], masks: NDArray[np.uint16] | None = None
    ) -> tuple[float, Tensor]:
        """Mean loss of one mini-batch at ``weights``, and its gradient [num_parameters], as a worker computes them."""
        vector_to_parameters(weights, self._parameters)
        outputs = self._call(self.images[indices], masks)
        loss = self.loss(outputs, torch.from_numpy(self.labels[indices]).to(outputs.device))
        gradients = torch.autograd.grad(loss, self._parameters)
        return loss.item(), torch.cat([gradient.reshape(-1) for gradient in gradients])

    @torch.no_grad()
    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights, without dropout."""
        vector_to_parameters(self.server.weights, self._parameters)
        self.module.eval()
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
        """||W_t - W_s|| of the server's weights and those of the worker whose gradient comes next."""
        weights = (self.server.weights, self.server.worker.weights)
        return measure_distance(*(part.double().cpu().numpy() for part in weights))

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit."""
        server = self.server
        return {
            "weights": server.weights.cpu().numpy().copy(),
            "velocity": server.velocity.cpu().numpy().copy(),
            "worker_weights": np.stack([worker.weights.cpu().numpy() for worker in server.workers]),
            "worker_velocities": np.stack([worker.velocity.cpu().numpy() for worker in server.workers]),
            "received_at": [worker.received_at for worker in server.workers],
            "num_steps": server.num_steps,
            "batches": self._batches.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        server = self.server
        server.weights.copy_(torch.from_numpy(state["weights"]))
        server.velocity.copy_(torch.from_numpy(state["velocity"]))
        server.num_steps = int(state["num_steps"])
        for index, worker in enumerate(server.workers):
            worker.weights.copy_(torch.from_numpy(state["worker_weights"][index]))
            worker.velocity.copy_(torch.from_numpy(state["worker_velocities"][index]))
            worker.received_at = int(state["received_at"][index])
        self._batches.restore(state["batches"])

    def _take_mask(self) -> NDArray[np.uint16] | None:
        return self._batches.take_masks(1)[0] if self._batches.num_dropout_units else None

    def _call(self, images: NDArray[np.uint8], masks: NDArray[np.uint16] | None) -> Tensor:
        parameter = self._parameters[0]
        inputs = normalize_images(images, parameter.dtype, str(parameter.device))
        if masks is None:
            outputs: Tensor = self.module(inputs)
        else:
            outputs = self.module(inputs, torch.from_numpy(masks.astype(np.int32)).to(parameter.device))
        return outputs
