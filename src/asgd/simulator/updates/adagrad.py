"""Adagrad at the server, as Downpour SGD has it (Dean et al., 2012): g / sqrt(``initial`` + sum of g g)."""

from torch import Tensor

from asgd.simulator.updates.rule import Arrived, Rule, like


class Adagrad(Rule):
    def __init__(self, initial: float = 1e-6) -> None:
        super().__init__()
        self._initial = initial

    def start(self, weights: Tensor, num_workers: int) -> None:
        self.memory["sum"] = like(weights, fill=self._initial)

    def correct(self, arrived: Arrived) -> Tensor:
        total = self.memory["sum"].add_(arrived.gradient * arrived.gradient)
        return arrived.gradient / total.sqrt()
