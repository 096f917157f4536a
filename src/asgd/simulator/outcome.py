"""The four outcomes of a run, which the paper's "does not train" lumps together."""

from asgd.simulator.networks.shapes import NUM_CLASSES

TRAINED, PLATEAU, DEAD, NON_FINITE = OUTCOMES = ("trained", "plateau", "dead", "non_finite")

#: A run has trained if its last test accuracy is above chance by more than this: 15 % for ten classes.
TRAINED_MARGIN = 0.05


def classify_outcome(
    test_accuracy: float, zero_gradient_share: float, is_finite: bool, num_classes: int = NUM_CLASSES
) -> str:
    """The outcome of a run from its last evaluation, in the words of ``asgd.tables.outcomes``.

    ``num_classes``: of the images, which say what chance is.
    """
    if not is_finite:
        return NON_FINITE
    if test_accuracy > 1 / num_classes + TRAINED_MARGIN:
        return TRAINED
    return DEAD if zero_gradient_share == 1 else PLATEAU
