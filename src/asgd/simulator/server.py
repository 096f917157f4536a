"""The parameter server and its workers, as in Section II of the paper: weights are flat vectors, gradients come in.

It knows nothing of networks or data, so it simulates delayed SGD on any function whose gradient the caller computes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Worker:
    """One worker: the weights it last received, and the velocity it keeps if momentum lives at the workers."""

    weights: Tensor  #: [num_parameters], its own copy
    velocity: Tensor  #: [num_parameters], starts at zero
    received_at: int = 0  #: the server's step count when it received its weights


class Server:
    """The parameter server, talking to worker t mod m at step t.

    ``momentum_where``: "server" keeps one velocity for all gradients, "worker" one for each worker's own.
    ``momentum_convention``: "pytorch" is v = b v + g, "ema" is v = b v + (1 - b) g. Either way W = W - eta v.
    """

    def __init__(
        self,
        weights: Tensor,
        num_workers: int,
        learning_rate: float,
        momentum: float = 0.0,
        momentum_where: str = "server",
        momentum_convention: str = "pytorch",
    ) -> None:
        self.weights = weights.clone()
        self.velocity = torch.zeros_like(weights)
        self.workers = [Worker(weights.clone(), torch.zeros_like(weights)) for _ in range(num_workers)]
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.momentum_where = momentum_where
        self.gradient_share = 1 - momentum if momentum_convention == "ema" else 1.0
        self.num_steps = 0

    @property
    def worker(self) -> Worker:
        """The worker whose turn it is: its gradient, at its stale weights, is the next one applied."""
        return self.workers[self.num_steps % len(self.workers)]

    @property
    def staleness(self) -> int:
        """Server steps taken since the worker whose turn it is received its weights: min(t, m - 1)."""
        return self.num_steps - self.worker.received_at

    def step(self, gradient: Tensor) -> None:
        """Apply the gradient of the worker whose turn it is and send it the new weights."""
        worker = self.worker
        self.weights.add_(self._direction(worker, gradient), alpha=-self.learning_rate)
        self.num_steps += 1
        worker.weights.copy_(self.weights)  # a copy: the server's later steps must not reach it
        worker.received_at = self.num_steps

    def _direction(self, worker: Worker, gradient: Tensor) -> Tensor:
        if self.momentum == 0:
            return gradient
        velocity = worker.velocity if self.momentum_where == "worker" else self.velocity
        return velocity.mul_(self.momentum).add_(gradient, alpha=self.gradient_share)
