"""Gap-aware steps (Barkai, Hakimi and Schuster, 2020): g / (1 + |W - U| / C).

C = eta ``scale`` (sqrt(moving average of g g, bias-corrected) + 1e-8) is how far a step of usual length goes, for each
parameter its own; so a gradient is divided by the number of such steps that the server went meanwhile, and one.
"""

import torch
from torch import Tensor

from asgd.simulator.updates.rule import Arrived, Rule, like

_DECAY, _SMALL = 0.999, 1e-8


class GapAware(Rule):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self._scale = scale

    def start(self, weights: Tensor, num_workers: int) -> None:
        self.memory = {"mean_square": like(weights), "count": torch.zeros((), dtype=torch.int64)}

    def correct(self, arrived: Arrived) -> Tensor:
        g, mean_square = arrived.gradient, self.memory["mean_square"]
        mean_square.mul_(_DECAY).add_((1 - _DECAY) * g * g)
        self.memory["count"] += 1
        usual = (mean_square / (1 - _DECAY ** int(self.memory["count"]))).sqrt() + _SMALL
        return g / (1 + (arrived.weights - arrived.stale).abs() / (arrived.learning_rate * self._scale * usual))
