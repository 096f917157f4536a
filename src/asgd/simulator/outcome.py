"""The four outcomes of a run, which the paper's "does not train" lumps together."""

from collections.abc import Mapping

from asgd.simulator.networks.shapes import NUM_CLASSES

TRAINED, PLATEAU, DEAD, NON_FINITE = OUTCOMES = ("trained", "plateau", "dead", "non_finite")

#: A run has trained if its last test accuracy is above chance by more than this: 15 % for ten classes.
TRAINED_MARGIN = 0.05


#: What each means, for tables, documents and the report: a run is the first of these that fits, in this order.
MEANINGS: Mapping[str, str] = {
    NON_FINITE: "a loss or a weight overflowed",
    TRAINED: f"the last test accuracy is above {100 * (1 / NUM_CLASSES + TRAINED_MARGIN):g} %",
    DEAD: "at chance, and the gradient of every step since the evaluation before was exactly zero",
    PLATEAU: "at chance, and alive",
}


def classify_outcome(test_accuracy: float, zero_gradient_share: float, is_finite: bool) -> str:
    """The outcome of a run from its last evaluation, as ``MEANINGS`` says."""
    if not is_finite:
        return NON_FINITE
    if test_accuracy > 1 / NUM_CLASSES + TRAINED_MARGIN:
        return TRAINED
    return DEAD if zero_gradient_share == 1 else PLATEAU
