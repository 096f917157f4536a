"""Delay compensation with a constant strength (DC-ASGD-c: Zheng et al., 2017): g + lambda g g (W - U)."""

from torch import Tensor

from asgd.simulator.updates.rule import Arrived, Rule


class ConstantCompensation(Rule):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self._strength = strength

    def correct(self, arrived: Arrived) -> Tensor:
        g = arrived.gradient
        return g + self._strength * g * g * (arrived.weights - arrived.stale)
