"""Workers start where the server's weights are expected to be, DANA-Zero: Nesterov momentum for many workers."""

from asgd.settings.run import RunConfig
from asgd.settings.update import Update
from asgd.simulator.updates.rule import Rule

UPDATE = Update(
    step="a velocity for each worker, W <- W - eta v_i; the worker is sent W - eta b (sum of all velocities)",
    source="DANA-Zero: Hakimi et al., 2019",
    fused=True,
    needs=(("momentum_where", "worker", "it looks ahead along the velocities of the workers"),),
)


class LookAhead(Rule):
    looks_ahead = True


def build(config: RunConfig) -> LookAhead:
    """That of a run."""
    return LookAhead()
