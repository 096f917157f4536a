"""The table behind ``dvc plots``: test accuracy of every arm, under a name that two revisions of a study share."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from asgd.settings.parameters import kinds_of, label_settings, list_parameters
from asgd.tables.experiments import list_arms

#: What every name says.
_KEYS = ("num_workers", "momentum", "momentum_convention", "dropout", "output_relu", "pools")
# What a name says only where it differs from the study's first arm. So two revisions that differ in the learning rate
# or in the length share a panel, and an arm that differs in them from others of its own study has a panel of its own.
_FURTHER_KEYS = tuple(key for key in list_parameters() if key not in {*_KEYS, *kinds_of("momentum")})


def select_dvc_curves(arms: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """One row an arm and evaluation: arm (its name), epoch, mean, ci_low and ci_high of the test accuracy, in [0, 1].

    With one seed there is no interval, and both limits are the mean. To a millionth, which no drawing shows.
    """
    names = _name_arms(list_arms(arms))
    accuracy = select_accuracy(curves)
    limits = {column: accuracy[column].fillna(accuracy["mean"]) for column in ("ci_low", "ci_high")}
    table = accuracy.assign(arm=accuracy["arm"].map(names), **limits)
    return table[["arm", "epoch", "mean", "ci_low", "ci_high"]].round({"mean": 6, "ci_low": 6, "ci_high": 6})


def select_accuracy(curves: pd.DataFrame) -> pd.DataFrame:
    """What ``select_dvc_curves`` reads of the table ``curves``."""
    return curves.loc[curves["metric"] == "test_accuracy", ["arm", "epoch", "metric", "mean", "ci_low", "ci_high"]]


def _name_arms(arms: list[dict[str, Any]]) -> dict[str, str]:
    """A name for each arm, by its hash; one that rounding makes equal to another's gets the hash too."""
    names = {
        arm["arm"]: ", ".join(filter(None, [label_settings(arm, _KEYS), *_list_differences(arm, arms[0])]))
        for arm in arms
    }
    common = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {arm: f"{name} ({arm})" if name in common else name for arm, name in names.items()}


def _list_differences(arm: Mapping[str, Any], first: Mapping[str, Any]) -> list[str]:
    values = {key: (arm.get(key), first.get(key)) for key in _FURTHER_KEYS}
    return [label_settings(arm, [key]) for key, (value, other) in values.items() if str(value) != str(other)]
