"""The parameter server and its workers: weights are flat vectors, gradients come in.

It knows nothing of networks, data or schedules, so it simulates delayed SGD on any function whose gradient the caller
computes, in any order.
"""

from typing import Any

import torch
from torch import Tensor

from asgd.simulator.updates.rule import Arrived, Rule


class Server:
    """The server, and the weights that it has sent to each of ``num_workers`` workers.

    ``momentum_where``: "server" keeps one velocity for all gradients, "worker" one for each worker's own.
    ``momentum_convention``: "pytorch" is v = b v + g, "ema" is v = b v + (1 - b) g. Either way W = W - eta v.
    ``rule`` is what else is done with a gradient. With ``shared`` all workers have the server's present weights.
    """

    def __init__(
        self,
        weights: Tensor,
        num_workers: int,
        learning_rate: float,
        momentum: float = 0.0,
        momentum_where: str = "server",
        momentum_convention: str = "pytorch",
        rule: Rule | None = None,
        shared: bool = False,
    ) -> None:
        self.weights = weights.clone()
        self.sent = [] if shared else [weights.clone() for _ in range(num_workers)]
        self.learning_rate = learning_rate
        self.momentum = momentum
        at_worker = momentum_where == "worker"
        count = 0 if momentum == 0 else num_workers if at_worker else 1
        self.velocities = [torch.zeros_like(weights) for _ in range(count)]
        self.gradient_share = 1 - momentum if momentum_convention == "ema" else 1.0
        self.rule = rule or Rule()
        self.rule.start(self.weights, num_workers)
        self._at_worker = at_worker
        self._sum = torch.zeros_like(weights) if self.rule.looks_ahead else None  #: of all velocities

    def stale(self, worker: int) -> Tensor:
        """The weights that ``worker`` computes its gradient at: [num_parameters]."""
        return self.sent[worker] if self.sent else self.weights

    def apply(self, gradient: Tensor, worker: int, staleness: int) -> Tensor:
        """Take a step with the gradient of ``worker``; returns the gradient that was used in its place."""
        arrived = Arrived(gradient, self.stale(worker), self.weights, worker, staleness, self.learning_rate)
        corrected = self.rule.correct(arrived)
        rate = -self.learning_rate * self.rule.factor(staleness)
        self.weights.add_(self._direction(worker, corrected), alpha=rate)
        return corrected

    def send(self, worker: int) -> None:
        """Send ``worker`` the present weights: a copy, which later steps do not reach."""
        if self.sent:
            self.sent[worker].copy_(self.weights)
            if self._sum is not None:
                self.sent[worker].add_(self._sum, alpha=-self.learning_rate * self.momentum)

    def state(self) -> dict[str, Any]:
        """Everything needed to continue: arrays by name."""
        vectors = {"weights": self.weights, **({} if self._sum is None else {"sum": self._sum})}
        vectors |= {f"memory.{name}": tensor for name, tensor in self.rule.memory.items()}
        lists = {"sent": self.sent, "velocities": self.velocities}
        vectors |= {name: torch.stack(tensors) for name, tensors in lists.items() if tensors}
        return {name: tensor.cpu().numpy().copy() for name, tensor in vectors.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        targets = {"weights": self.weights, "sum": self._sum}
        targets |= {f"memory.{name}": tensor for name, tensor in self.rule.memory.items()}
        for name, array in state.items():
            if name in ("sent", "velocities"):
                for tensor, part in zip(getattr(self, name), array, strict=True):
                    tensor.copy_(torch.from_numpy(part))
            else:
                target = targets[name]
                assert target is not None
                target.copy_(torch.from_numpy(array))

    def _direction(self, worker: int, gradient: Tensor) -> Tensor:
        if self.momentum == 0:
            return gradient
        velocity = self.velocities[worker if self._at_worker else 0]
        if self._sum is not None:
            self._sum.add_(velocity, alpha=self.momentum - 1).add_(gradient, alpha=self.gradient_share)
        return velocity.mul_(self.momentum).add_(gradient, alpha=self.gradient_share)
