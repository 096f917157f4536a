"""Delay compensation with a strength for each parameter (DC-ASGD-a: Zheng et al., 2017).

g + lambda g g (W - U), lambda = lambda_0 / sqrt(MS + 1e-7), with MS the moving average of g g, one for each worker.
"""

from torch import Tensor

from asgd.simulator.updates.rule import Arrived, Rule, like

_DECAY, _SMALL = 0.95, 1e-7


class AdaptiveCompensation(Rule):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self._strength = strength

    def start(self, weights: Tensor, num_workers: int) -> None:
        self.memory["mean_square"] = like(weights, num_workers)

    def correct(self, arrived: Arrived) -> Tensor:
        g, mean_square = arrived.gradient, self.memory["mean_square"][arrived.worker]
        mean_square.mul_(_DECAY).add_((1 - _DECAY) * g * g)  # first: it includes this gradient
        return g + self._strength / (mean_square + _SMALL).sqrt() * g * g * (arrived.weights - arrived.stale)
