"""Adagrad at the server, as Downpour SGD has it."""

from typing import TYPE_CHECKING

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Arrived, Rule, like

if TYPE_CHECKING:
    from torch import Tensor

UPDATE = Update(
    step="g / sqrt(`adagrad_initial` + sum of g g) in place of g",
    source="Downpour SGD: Dean et al., 2012",
    fused=True,
    by_staleness=False,
)


class Adagrad(Rule):
    def __init__(self, initial: float = 1e-6) -> None:
        super().__init__()
        self._initial = initial

    def start(self, weights: "Tensor", num_workers: int) -> None:
        self.memory["sum"] = like(weights, fill=self._initial)

    def correct(self, arrived: Arrived) -> "Tensor":
        total = self.memory["sum"].add_(arrived.gradient * arrived.gradient)
        return arrived.gradient / total.sqrt()


def build(config: RunConfig) -> Adagrad:
    """That of a run."""
    return Adagrad(config.adagrad_initial)
