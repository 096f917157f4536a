"""Delay compensation with a strength for each parameter, DC-ASGD-a."""

from typing import TYPE_CHECKING

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Arrived, Rule, like

if TYPE_CHECKING:
    from torch import Tensor

UPDATE = Update(
    step="g + lambda g g (W - U) in place of g, lambda = `dc_adaptive_strength` / sqrt(MS + 1e-7), with MS the moving "
    "average (decay 0.95) of g g of the worker's own gradients, this one included",
    source="Zheng et al., 2017",
    fused=True,
)


class AdaptiveCompensation(Rule):
    corrects = True
    decay, small = 0.95, 1e-7

    def __init__(self, strength: float) -> None:
        super().__init__()
        self._strength = strength

    def start(self, weights: "Tensor", num_workers: int) -> None:
        self.memory["mean_square"] = like(weights, num_workers)

    def correct(self, arrived: Arrived) -> "Tensor":
        g, mean_square = arrived.gradient, self.memory["mean_square"][arrived.worker]
        mean_square.mul_(self.decay).add_((1 - self.decay) * g * g)  # first: it includes this gradient
        return g + self._strength / (mean_square + self.small).sqrt() * g * g * (arrived.weights - arrived.stale)


def build(config: RunConfig) -> AdaptiveCompensation:
    """That of a run."""
    return AdaptiveCompensation(config.dc_adaptive_strength)
