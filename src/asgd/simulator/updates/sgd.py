"""Plain SGD, with momentum or without."""

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Rule

UPDATE = Update(step="W <- W - eta v, with v = g, or the velocity", source="the paper", fused=True, by_staleness=False)


def build(config: RunConfig) -> Rule:
    """That of a run."""
    return Rule()
