"""E7: which remedy against delay helps most. A ranking of all calibrated methods at some m, without a verdict.

Each method is compared with plain asynchronous SGD on the same schedule, with as many workers, each at the learning
rate that the calibration chose for it.
"""

from typing import Any

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given
from asgd.claims.second.calibrated import APART, compare_accuracies, find_calibrated, list_arms, measure_correction
from asgd.settings.parameters import label_settings
from asgd.settings.policy import PolicyKeys
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys
from asgd.settings.subjects import Subject
from asgd.settings.update import UpdateKeys
from asgd.tables.arms import Evidence
from asgd.tables.statistics import SHOWN
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("seed",)),  # of several experiments: a preset names one in `subjects`
    reads=("runs", "evaluations"),
    needs=("run", "claims"),
    summary="remedies_summary",
    tables={
        "remedies": Table(
            rows="one for each schedule, m of E7 and method with a calibrated arm beside plain SGD's, the best first",
            key=("schedule", "num_workers", "method"),
            columns={
                "schedule": "whose gradient comes next, as a label",
                "num_workers": "m, the number of workers",
                "rank": "1 for the method with the largest gain over plain SGD on this schedule at this m",
                "method": "the method against delay, as a label",
                "learning_rate": "eta that the calibration chose for it",
                "plain_rate": "eta that the calibration chose for plain SGD",
                "difference": "mean final accuracy minus that of plain SGD, paired by seed, points",
                "low": "lower limit of its 95 % interval",
                "high": "upper limit of it",
                "n": "pairs of runs",
                "accuracy": "mean final accuracy, in [0, 1]",
                "plain_accuracy": "the same of plain SGD on these seeds",
                "correction": "median of ||correction|| / ||gradient|| over evaluations and runs; empty without one",
            },
        )
    },
)

_METHOD = ("momentum", "momentum_where", "momentum_convention", *UpdateKeys.model_fields, *PolicyKeys.model_fields)
_CONSTANTS = ("dc_strength", "dc_adaptive_strength", "gap_scale", "max_staleness", "stop")
_PLACE = ("num_workers", *ScheduleKeys.model_fields)


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Every calibrated method at the m of E7 against plain SGD; in the summary the best of each schedule and m."""
    margins = given.claims.model_copy(update={"confidence": SHOWN})
    evidence = Evidence.of(given.tables["runs"], given.tables["evaluations"], margins, given.base)
    ranked = [arm for arm in list_arms(evidence) if arm.num_workers in given.claims.second.statements.remedy_workers]
    rows = [row for config in ranked if (row := _compare(evidence, config))]
    table = pd.DataFrame(rows, columns=[name for name in ANALYSIS.tables["remedies"].columns if name != "rank"])
    ranks = table.groupby(["schedule", "num_workers"])["difference"].rank(ascending=False, method="first")
    table.insert(2, "rank", ranks.astype(int))
    table = table.sort_values(["schedule", "num_workers", "rank"], ignore_index=True)
    return {"remedies": table}, {"best": _list_best(table)}


def _list_best(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Schedule, m, method and gain of the best of several methods, and how many there are (`methods`)."""
    sizes = table.groupby(["schedule", "num_workers"])["method"].transform("size")
    best = table.assign(methods=sizes)[(table["rank"] == 1) & (sizes > 1)]
    about = ["schedule", "num_workers", "method", "methods", "difference"]
    limits = [None if pd.isna(low) else [low, high] for low, high in zip(best["low"], best["high"], strict=True)]
    return best[about].assign(interval=pd.Series(limits, best.index, object)).to_dict("records")  # type: ignore[return-value]


def _compare(evidence: Evidence, config: RunConfig) -> dict[str, Any] | None:
    """The row of a calibrated arm; None for plain SGD itself, for another task, and without paired runs."""
    settings = config.model_dump()
    elsewhere = {*_METHOD, *_PLACE, *APART, "seed"}
    if config.model_dump(exclude=elsewhere) != evidence.base.model_dump(exclude=elsewhere):
        return None
    place = {key: settings[key] for key in _PLACE}
    plain = find_calibrated(evidence, **place)
    found = compare_accuracies(evidence, plain, config)
    if plain is None or found is None or plain == config:
        return None
    arm, other = evidence.runs_of(config), evidence.runs_of(plain)
    both = arm.index.intersection(other.index)
    return {
        "schedule": label_settings(settings, list(ScheduleKeys.model_fields)),
        "num_workers": config.num_workers,
        "method": label_settings(settings, _name(config, plain)),
        "learning_rate": config.learning_rate,
        "plain_rate": plain.learning_rate,
        "difference": found["mean"],
        **{key: found[key] for key in ("low", "high", "n")},
        "accuracy": float(arm.loc[both, "final_test_accuracy"].mean()),
        "plain_accuracy": float(other.loc[both, "final_test_accuracy"].mean()),
        "correction": measure_correction(evidence, config),
    }


def _name(config: RunConfig, plain: RunConfig) -> list[str]:
    """The keys in which the method differs from plain SGD, and its constants; a label leaves out those of others."""
    return [key for key in _METHOD if key in _CONSTANTS or getattr(config, key) != getattr(plain, key)]
