"""Every gradient is a step, as in the paper."""

import numpy as np

from asgd.settings.policy import Policy
from asgd.settings.run import RunConfig
from asgd.simulator.events import Events, Fate, Ledger

POLICY = Policy(steps="each gradient is a step", source="the paper")


class Every:
    """The worker heard is sent the new weights at once."""

    def advance(self, ledger: Ledger, number: int) -> Events:
        workers, times = ledger.arrivals.stream(number)
        # The place in this call where the same worker was heard before; -1: in an earlier one.
        order = np.argsort(workers, kind="stable")
        again = workers[order[1:]] == workers[order[:-1]]
        before = np.full(number, -1)
        before[order[1:][again]] = order[:-1][again]
        steps = ledger.step + np.arange(number)
        sent = np.where(before < 0, ledger.received[workers], ledger.step + before + 1)
        batches = np.where(before < 0, ledger.batches[workers], ledger.dispatched + before)
        # Of equal workers the last one counts.
        ledger.received[workers] = steps + 1
        ledger.batches[workers] = ledger.dispatched + np.arange(number)
        ledger.step += number
        ledger.dispatched += number
        fates, closes = np.full(number, Fate.APPLIED.value, np.int8), np.ones(number, bool)
        return Events(workers, batches, steps - sent, fates, closes, times)


def build(config: RunConfig) -> Every:
    """That of a run."""
    return Every()
