"""The learning rate lowered for late gradients alone, by m / max(m, tau).

Mishchenko et al., 2022; Koloskova et al., 2022.
"""

from torch import Tensor

from asgd.simulator.updates.rule import Rule


class DelayAdaptive(Rule):
    def start(self, weights: Tensor, num_workers: int) -> None:
        self._num_workers = num_workers

    def factor(self, staleness: int) -> float:
        return self._num_workers / max(self._num_workers, staleness)
