"""The generated files of the report, and the rows of its table of accuracies."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.figures.plot import list_plots
from asgd.files import write_text
from asgd.report.generated import MANUSCRIPT, list_generated
from asgd.report.templates import Templates
from asgd.settings.parameters import label_settings
from asgd.simulator.outcome import OUTCOMES
from asgd.tables.experiments import MOST_ARMS, experiment_names, list_arms, naming_keys
from asgd.tables.samples import select_own_arms
from asgd.tables.table import Tables

_MOST_ROWS, _MOST_COLUMNS = 68, 2  # of a table that fits a column; of all tables, which have a page


def write_tables(out_folder: str | Path, report: str | Path, numbers: Mapping[str, Any]) -> None:
    """Write every generated file into ``out_folder``: the templates of the project's folder ``report``, filled.

    ``numbers`` are those of ``asgd.report.numbers.collect_numbers``.
    """
    templates = Templates(Path(report, "templates"))
    context = {**numbers, "unplaced": list_unplaced(report, numbers["figures"])}
    for name in list_generated(report):
        write_text(Path(out_folder) / name, templates.render(name, context))


def list_unplaced(report: str | Path, figures: Iterable[str]) -> list[dict[str, str]]:
    """`name` and `caption` of each of ``figures`` that report.tex does not place itself."""
    manuscript, plots = Path(report, MANUSCRIPT).read_text(encoding="utf-8"), list_plots()
    unplaced = [name for name in figures if f"{{{name}}}" not in manuscript]
    return [{"name": name, "caption": plots[name].caption} for name in unplaced]


def list_accuracies(tables: Tables) -> dict[str, Any]:
    """`columns`: tables of a column's length, each a list of rows; `left_out`: experiments of very many arms.

    All are left out of a study with more arms than fit a page. A row is the name of an `experiment`, or a `label` with
    accuracy and outcomes of the experiment's runs. An arm of several experiments stands in the first only. ``tables``:
    `runs` and `arms`.
    """
    arms = tables["arms"]
    rows: list[dict[str, Any]] = []
    left_out, seen = [], set[str]()
    for name in experiment_names(arms):
        chosen = select_own_arms(tables, name)
        keys = naming_keys(chosen)
        fresh = [arm for arm in list_arms(chosen) if arm["arm"] not in seen]
        if len(fresh) > MOST_ARMS:
            left_out.append({"experiment": name, "arms": len(fresh)})
            continue
        seen.update(arm["arm"] for arm in fresh)
        rows += [{"experiment": name}, *(_describe_arm(arm, keys) for arm in fresh)] if fresh else []
    if len(rows) > _MOST_ROWS * _MOST_COLUMNS:
        return {"columns": [], "left_out": [{"experiment": "all experiments", "arms": len(arms)}]}
    columns = [rows[start : start + _MOST_ROWS] for start in range(0, len(rows), _MOST_ROWS)]
    return {"columns": columns, "left_out": left_out}


def _describe_arm(arm: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    spread = arm["final_test_accuracy_std"]
    return {
        "label": label_settings(arm, keys),
        "accuracy": float(arm["final_test_accuracy_mean"]),
        "deviation": None if pd.isna(spread) else float(spread),
        "n": int(arm["n_runs"]),
        **{outcome: int(arm[outcome]) for outcome in OUTCOMES},
    }
