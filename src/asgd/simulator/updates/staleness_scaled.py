"""The learning rate divided by tau + 1, the form that is continuous at m = 1."""

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Rule

UPDATE = Update(
    step="eta / (tau + 1) for a gradient of staleness tau", source="Zhang, Gupta, Lian and Liu, 2016", fused=True
)


class StalenessScaled(Rule):
    corrects = True

    def factor(self, staleness: int) -> float:
        return 1 / (staleness + 1)


def build(config: RunConfig) -> StalenessScaled:
    """That of a run."""
    return StalenessScaled()
