"""The table behind ``dvc plots``: test accuracy of every arm, named without what experiments usually change."""

import pandas as pd

from asgd.figures.selection import label_arm, list_arms

# Not the learning rate and not the length: two revisions that differ in them are to share a panel.
_KEYS = ("num_workers", "momentum", "momentum_convention", "dropout", "output_relu", "pools")


def select_dvc_curves(arms: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """One row an arm and evaluation: arm (its name), epoch, mean, ci_low and ci_high of the test accuracy, in [0, 1].

    With one seed there is no interval, and both limits are the mean.
    """
    names = {arm["arm"]: label_arm(arm, _KEYS) for arm in list_arms(arms)}
    accuracy = curves[curves["metric"] == "test_accuracy"]
    limits = {column: accuracy[column].fillna(accuracy["mean"]) for column in ("ci_low", "ci_high")}
    table = accuracy.assign(arm=accuracy["arm"].map(names), **limits)
    return table[["arm", "epoch", "mean", "ci_low", "ci_high"]]
