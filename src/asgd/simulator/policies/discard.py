"""Gradients that are too old are thrown away (Ringmaster ASGD: Maranjyan, Tyurin and Richtarik, 2025)."""

from asgd.settings.policy import Policy
from asgd.settings.run import RunConfig
from asgd.simulator.events import Events, Fate, Ledger

POLICY = Policy(
    steps="a gradient of staleness `max_staleness` or more is thrown away, and its worker starts again with the next "
    "mini-batch at the present weights; with `stop` it is cancelled as soon as it is so stale",
    source="Ringmaster ASGD: Maranjyan, Tyurin and Richtarik, 2025",
    requires=("max_staleness",),
)


class Discard:
    """A gradient of staleness ``max_staleness`` or more, in server steps, is discarded and its worker starts again.

    With ``stop`` it is not computed to its end: it is cancelled by the step that makes it so old.
    """

    def __init__(self, max_staleness: int, stop: bool = False) -> None:
        self._most, self._stop = max_staleness, stop

    def advance(self, ledger: Ledger, number: int) -> Events:
        return ledger.take(number, self._hear)

    def _hear(self, ledger: Ledger) -> None:
        worker, time = ledger.arrivals.hear()
        fresh = ledger.staleness(worker) < self._most
        ledger.charge(worker, Fate.APPLIED if fresh else Fate.DISCARDED, time, closes=fresh)
        ledger.send(worker, time)
        if self._stop and fresh:
            for other in ledger.arrivals.list_running(time):
                if ledger.staleness(other) >= self._most:
                    ledger.arrivals.cancel(other)
                    ledger.charge(other, Fate.CANCELLED, time)
                    ledger.send(other, time)


def build(config: RunConfig) -> Discard:
    """That of a run."""
    assert config.max_staleness is not None
    return Discard(config.max_staleness, config.stop)
