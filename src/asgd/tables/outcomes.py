"""What the outcomes of runs mean, in words."""

from collections.abc import Mapping

from asgd.simulator.outcome import DEAD, NON_FINITE, PLATEAU, TRAINED, TRAINED_MARGIN

#: For tables, documents and the report: a run is the first of these that fits, in this order.
MEANINGS: Mapping[str, str] = {
    NON_FINITE: "a loss or a weight overflowed",
    TRAINED: f"the last test accuracy is more than {100 * TRAINED_MARGIN:g} points above chance",
    DEAD: "at chance, and the gradient of every step since the previous evaluation was exactly zero",
    PLATEAU: "at chance, and alive",
}
