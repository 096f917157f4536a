"""The learning rate divided by tau + 1 (Zhang, Gupta, Lian and Liu, 2016), the form that is continuous at m = 1."""

from asgd.simulator.updates.rule import Rule


class StalenessScaled(Rule):
    def factor(self, staleness: int) -> float:
        return 1 / (staleness + 1)
