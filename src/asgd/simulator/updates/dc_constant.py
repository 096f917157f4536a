"""Delay compensation with a constant strength, DC-ASGD-c."""

from typing import TYPE_CHECKING

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Arrived, Rule

if TYPE_CHECKING:
    from torch import Tensor

UPDATE = Update(
    step="g + lambda g g (W - U) in place of g, lambda = `dc_strength`", source="Zheng et al., 2017", fused=True
)


class ConstantCompensation(Rule):
    corrects = True

    def __init__(self, strength: float) -> None:
        super().__init__()
        self._strength = strength

    def correct(self, arrived: Arrived) -> "Tensor":
        g = arrived.gradient
        return g + self._strength * g * g * (arrived.weights - arrived.stale)


def build(config: RunConfig) -> ConstantCompensation:
    """That of a run."""
    return ConstantCompensation(config.dc_strength)
