"""Gap-aware steps: a gradient is divided by how many steps of usual length the server went meanwhile, and one."""

from typing import TYPE_CHECKING

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Arrived, Rule, like

if TYPE_CHECKING:
    from torch import Tensor

UPDATE = Update(
    step="g / (1 + |W - U| / C) in place of g, C = eta `gap_scale` (sqrt(moving average of g g) + 1e-8) for each "
    "parameter its own (decay 0.999, bias-corrected, this gradient included)",
    source="Barkai, Hakimi and Schuster, 2020",
    fused=True,
)


class GapAware(Rule):
    corrects = True
    decay, small = 0.999, 1e-8

    def __init__(self, scale: float) -> None:
        super().__init__()
        self._scale = scale

    def start(self, weights: "Tensor", num_workers: int) -> None:
        self.memory = {"mean_square": like(weights), "count": like(weights[:1])}

    def correct(self, arrived: Arrived) -> "Tensor":
        g, mean_square = arrived.gradient, self.memory["mean_square"]
        mean_square.mul_(self.decay).add_((1 - self.decay) * g * g)
        self.memory["count"] += 1
        usual: Tensor = (mean_square / (1 - self.decay ** float(self.memory["count"]))).sqrt() + self.small
        gap: Tensor = (arrived.weights - arrived.stale).abs()
        return g / (1 + gap / (arrived.learning_rate * self._scale * usual))


def build(config: RunConfig) -> GapAware:
    """That of a run."""
    return GapAware(config.gap_scale)
