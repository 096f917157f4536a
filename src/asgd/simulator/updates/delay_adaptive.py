"""The learning rate lowered for late gradients alone."""

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Rule

UPDATE = Update(
    step="eta m / max(m, tau) for a gradient of staleness tau",
    source="Mishchenko et al., 2022; Koloskova et al., 2022",
    fused=True,
)


class DelayAdaptive(Rule):
    corrects = True

    def __init__(self, num_workers: int) -> None:
        super().__init__()
        self._num_workers = num_workers

    def factor(self, staleness: int) -> float:
        return self._num_workers / max(self._num_workers, staleness)


def build(config: RunConfig) -> DelayAdaptive:
    """That of a run."""
    return DelayAdaptive(config.num_workers)
