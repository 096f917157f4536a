"""The limit of stability of each schedule: constant delays exactly, random workers by their mean square, others by the
Lyapunov exponent of simulated recursions."""

from typing import Any

import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given
from asgd.analyses.stability.limits import find_limit
from asgd.settings.analyses import Section, Setting
from asgd.settings.parameters import label_schedule
from asgd.settings.schedule import ScheduleKeys
from asgd.settings.subjects import Subject
from asgd.tables.arms import change
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("learning_rate", "num_workers", "schedule"), may_vary=("schedule",)),
    needs=("run", "seeds", "configs", "settings"),
    tables={
        "limits": Table(
            rows="one for each schedule and m",
            key=("schedule", "num_workers"),
            columns={
                "schedule": "whose gradient comes next, as a label",
                "num_workers": "m, the number of workers",
                "threshold": "largest learning rate times curvature that is stable by linear theory",
                "error": "half the width of its 95 % interval; 0 where it is exact",
                "constant_threshold": "the same with constant delays",
                "method": "how it was found",
            },
        )
    },
)
SECTION = Section(
    "the limits of stability of the schedules (`limits.csv`)",
    {"num_workers": Setting([1, 10, 30, 100], "the m compared", at_least=1, ascending=True)},
)


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The limits of the schedules of the experiment, in its order."""
    courses = [config.model_dump(include={*ScheduleKeys.model_fields}) for config in given.configs]
    schedules = {label_schedule(course): course for course in courses}
    rows = [
        _describe(given, name, schedule, m) for name, schedule in schedules.items() for m in given.settings.num_workers
    ]
    return {"limits": pd.DataFrame(rows, columns=list(ANALYSIS.tables["limits"].columns))}, {}


def _describe(given: Given, name: str, schedule: dict[str, Any], num_workers: int) -> dict[str, Any]:
    plain = change(given.base, num_workers=num_workers, momentum=0.0, update="sgd", policy="every")
    found, constant = find_limit(change(plain, **schedule)), find_limit(change(plain, schedule="round_robin"))
    limits = {"threshold": found.threshold, "error": found.error, "constant_threshold": constant.threshold}
    return {"schedule": name, "num_workers": num_workers, **limits, "method": found.method}
