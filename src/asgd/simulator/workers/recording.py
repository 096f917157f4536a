"""What a real run leaves so that it can be replayed: what happened, gradient by gradient, and where that must lead."""

import csv
import hashlib
import io
from collections.abc import Iterable

from asgd.simulator.engine import Engine
from asgd.simulator.events import Event

COLUMNS = {
    "step": "server steps taken before it was heard",
    "worker": "whose gradient it is",
    "batch": "number of its mini-batch",
    "staleness": "server steps since its weights were sent",
    "seconds": "when it was heard, since the start of the run",
    "fate": "applied, discarded, dropped, or lost with its worker; joined: no gradient, a worker in a lost one's place",
}


def format_schedule(events: Iterable[Event]) -> str:
    """The text of schedule.csv."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    step = 0
    for event in events:
        writer.writerow([step, event.worker, event.batch, event.staleness, repr(event.time), event.fate.name.lower()])
        step += event.closes
    return buffer.getvalue()


def hash_weights(engine: Engine) -> str:
    """SHA-256 of the server's weights."""
    return hashlib.sha256(engine.weights.tobytes()).hexdigest()
