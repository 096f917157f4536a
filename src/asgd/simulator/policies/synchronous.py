"""Synchronous SGD with backup workers (Chen et al., 2016): a step is the mean of the first gradients that come."""

from asgd.settings.policy import Policy
from asgd.settings.run import RunConfig
from asgd.simulator.events import Events, Fate, Ledger

POLICY = Policy(
    steps="the server waits for the first m - `backups` gradients at its present weights and takes a step with their "
    "mean; the rest are dropped, and their workers start again: at once with `cancel`, else when they have finished",
    source="Chen et al., 2016",
    needs=(
        ("schedule", "latency", "who comes first is a matter of times"),
        ("momentum_where", "server", "a step is the mean over workers"),
    ),
    averages=True,
)


class Synchronous:
    """The server waits for the first m - ``backups`` gradients at its present weights and takes a step with their mean.

    The others are dropped: with ``cancel`` their workers start again at once, otherwise when they have finished.
    """

    def __init__(self, backups: int = 0, cancel: bool = True) -> None:
        self._backups, self._cancel = backups, cancel

    def advance(self, ledger: Ledger, number: int) -> Events:
        return ledger.take(number, self._hear)

    def _hear(self, ledger: Ledger) -> None:
        worker, time = ledger.arrivals.hear()
        if ledger.staleness(worker):  # of a step that was taken without it
            ledger.charge(worker, Fate.DROPPED, time)
            ledger.send(worker, time)
            return
        restarted = [*ledger.applied, worker]
        closes = len(restarted) == ledger.num_workers - self._backups
        ledger.charge(worker, Fate.APPLIED, time, closes)
        if closes:
            for late in ledger.arrivals.list_running(time) if self._cancel else []:
                ledger.arrivals.cancel(late)
                ledger.charge(late, Fate.CANCELLED, time)
                restarted.append(late)
            for each in sorted(restarted):
                ledger.send(each, time)


def build(config: RunConfig) -> Synchronous:
    """That of a run."""
    return Synchronous(config.backups, config.cancel)
