"""Is it sooner to wait for the slow workers, or not to? Accuracy against simulated time, by policy."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from asgd.figures.curves import add_legend, describe_spread, draw_arm, finish_accuracy, legend_line
from asgd.figures.plot import Plot
from asgd.figures.style import DASHES, PAGE_WIDTH, ArmStyle, ordered_styles
from asgd.settings.parameters import label_schedule, label_settings
from asgd.settings.subjects import Subject
from asgd.tables.arms import whole_config_of
from asgd.tables.experiments import list_arms, select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="When workers straggle, which policy reaches an accuracy first?",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(
        varies=("num_workers", "latency", "policy", "backups"),
        may_vary=("learning_rate", "schedule", "policy"),
    ),
)

_OTHERS = (ArmStyle("black", "X", "-"), ArmStyle("#D55E00", "P", DASHES[1]), ArmStyle("#CC79A7", ">", DASHES[3]))
_NAMES = ("policy", "stop", "backups")
_FURTHER = ("max_staleness", "learning_rate")


def draw(tables: Tables, experiment: str) -> Figure:
    """A column for each distribution of times and m, a row for what becomes of the late workers of synchronous SGD.

    The other policies, which leave none, are in all rows.
    """
    arms = _name(map(_describe, list_arms(select_experiment(tables["arms"], experiment).sort_index())))
    schedules = list(dict.fromkeys(arm["column"][0] for arm in arms))
    columns = sorted({arm["column"] for arm in arms}, key=lambda column: (schedules.index(column[0]), column[1]))
    rows = sorted({arm["cancel"] for arm in arms if arm["waits"]}, reverse=True) or [True]
    styles = _choose_styles(arms)
    figure = Figure(figsize=(PAGE_WIDTH, 0.9 + 1.1 * len(rows)))
    panels = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    for line, cancel in zip(panels, rows, strict=True):
        for axes, column in zip(line, columns, strict=True):
            for arm in arms:
                if arm["column"] == column and (arm["cancel"] == cancel or not (arm["waits"] and arm["backups"])):
                    draw_arm(axes, tables, arm, "test_accuracy", styles[arm["name"]], "time")
        line[0].set_ylabel(f"{label_settings({'policy': 'synchronous', 'cancel': cancel}, ['cancel'])}\ntest accuracy")
    _finish(panels, columns)
    figure.supxlabel("simulated time, in mean times of a gradient", fontsize=8)
    handles = [legend_line(style, name) for name, style in styles.items()]
    spread = describe_spread(tables, pd.DataFrame(arms))
    add_legend(figure, handles, spread)
    return figure


def _describe(row: dict[str, Any]) -> dict[str, Any]:
    """The settings of an arm, with where it stands."""
    settings = whole_config_of(row).model_dump()
    column = (label_schedule(settings), settings["num_workers"])
    return {**settings, "arm": row["arm"], "column": column, "waits": settings["policy"] == "synchronous"}


def _name(described: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The arms with their names, which also say a staleness or rate where it alone tells arms of a panel apart."""
    arms = list(described)
    places: dict[Any, list[dict[str, Any]]] = {}
    for arm in arms:
        places.setdefault((arm["column"], *(arm[key] for key in (*_NAMES, "cancel"))), []).append(arm)
    further = [key for key in _FURTHER if any(len({arm[key] for arm in some}) > 1 for some in places.values())]
    labels = [label_settings(arm, [*_NAMES, *further]) for arm in arms]
    return [
        {**arm, "name": label if arm["waits"] else f"asynchronous, {label}"}
        for arm, label in zip(arms, labels, strict=True)
    ]


def _choose_styles(arms: list[dict[str, Any]]) -> dict[str, ArmStyle]:
    """By name: the more workers synchronous SGD does not wait for, the lighter."""
    others = dict.fromkeys(arm["name"] for arm in arms if not arm["waits"])
    waiting = sorted({(arm["backups"], arm["name"]) for arm in arms if arm["waits"]})
    ordered = ordered_styles(range(len(waiting))).values()
    return dict(zip(others, cycle(_OTHERS), strict=False)) | {
        name: style for (_, name), style in zip(waiting, ordered, strict=True)
    }


def _finish(panels: Any, columns: list[tuple[str, int]]) -> None:
    for axes, (schedule, m) in zip(panels[0], columns, strict=True):
        axes.set_title(f"{schedule}\nm = {m:g}", pad=3)
    for axes in panels.flat:
        finish_accuracy(axes)
        axes.set_xscale("log", nonpositive="mask")  # time 0 has no place on it
