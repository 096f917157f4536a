"""The explorer of a study's results: one page with every run's curve and all verdicts in it, which asks no network.

The page's look and behaviour are in report/templates/explorer.{html.j2,css,js}; here is what they show.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from asgd.claims import Verdicts
from asgd.claims.claim import find_claims
from asgd.errors import AsgdError
from asgd.figures.outcomes import OUTCOMES
from asgd.figures.style import CATEGORIES
from asgd.report.generated import EXPLORER
from asgd.report.page import describe_claims
from asgd.report.templates import Templates
from asgd.settings.keys import Keys
from asgd.settings.parameters import label_settings, order_values, whole_of
from asgd.settings.run import RunConfig
from asgd.tables.columns import LATER_METRICS, METRICS
from asgd.tables.experiments import (
    experiment_names,
    find_places,
    list_arms,
    naming_keys,
    select_experiment,
    varying_keys,
)

#: About 6 bytes each, so that the curves stay below 5 MB.
MOST_VALUES = 700_000

#: The axes of the map.
_ROWS, _COLUMNS = "learning_rate", "num_workers"

#: What a curve may be drawn over. All but the first are of ``find_places``.
_AXES = {
    "epoch": "epochs",
    "gradients": "total compute, gradients",
    "time": "time, mean times of a gradient (real workers: seconds)",
}
_NAMES = {"num_workers": "workers m", "output_relu": "last layer", "pools": "pooling"}
_METRICS = {
    "test_accuracy": "test accuracy",
    "train_loss": "training loss, nats",
    "test_loss": "test loss, nats",
    "train_eval_loss": "loss on the training subset, nats",
    "train_eval_accuracy": "accuracy on the training subset",
}


@dataclass(frozen=True)
class Shown:
    """A figure on the page."""

    caption: str
    png: bytes


@dataclass(frozen=True)
class Facet:
    """Something in which arms differ, and which the page lets one choose: a parameter, or those that go together."""

    key: str
    labels: Sequence[str]  #: the values in words, in their order
    places: Sequence[int]  #: for each arm, which of the values it has


def make_explorer(
    about: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    verdicts: Verdicts,
    figures: Mapping[str, Shown],
    report: str | Path,
) -> str:
    """The page, as HTML.

    ``about``: the study's `preset` and its `description`; ``tables``: `runs`, `arms` and `evaluations`; ``figures``:
    those that the claims name, by name; ``report``: the project's folder of that name. The same input gives the same
    bytes with one version of vl-convert. Raises AsgdError without that library.
    """
    claims = describe_claims(verdicts)
    study = describe_study(tables["runs"], tables["arms"], tables["evaluations"])
    deciding = {claim.id: claim.figure for claim in find_claims(verdicts.margins.edition).values()}
    context = {
        **about,
        "n_runs": len(tables["runs"]),
        "n_arms": len(tables["arms"]),
        "edition": verdicts.margins.edition,
        "verdicts": [{**row, "figure": deciding[row["claim"]]} for row in claims["verdicts"]],
        "figures": {
            name: {"caption": shown.caption, "data": base64.b64encode(shown.png).decode()}
            for name, shown in figures.items()
        },
        "study": _embed(study),
        "stride": study["stride"],
        "has_map": study["map"] >= 0,
        "outcomes": {name: face for name, (face, _, _) in OUTCOMES.items()},
        "libraries": _bundle_libraries(),
    }
    return Templates(Path(report, "templates")).render(EXPLORER, context)


def describe_study(runs: pd.DataFrame, arms: pd.DataFrame, evaluations: pd.DataFrame) -> dict[str, Any]:
    """What the page's script knows of the study, as JSON has it.

    Of arms and runs it has lists of short keys, described where they are made. ``stride``: every how many evaluations
    the curves have a point, 1 if all.
    """
    arms = _order(_fill_later(arms))
    facets, experiments = find_facets(arms), experiment_names(arms)
    metrics = [name for name in {**_METRICS, **METRICS, **LATER_METRICS} if name in evaluations]
    metrics = [name for name in metrics if evaluations[name].notna().any()]
    stride = math.ceil(len(evaluations) * len(metrics) / MOST_VALUES) or 1
    curves = Curves(metrics, stride)
    by_arm = curves.collect(runs, evaluations, arms)
    listed = [
        {
            "at": [facet.places[place] for facet in facets],
            "in": [experiments.index(name) for name in str(arm["experiments"]).split(";")],
            "runs": by_arm[arm["arm"]],
        }
        for place, arm in enumerate(list_arms(arms))
    ]
    return {
        "experiments": experiments,
        "map": find_map(arms),
        "facets": [
            {"key": facet.key, "name": _NAMES.get(facet.key) or facet.key.replace("_", " "), "labels": facet.labels}
            for facet in facets
        ],
        "rows": _ROWS,
        "columns": _COLUMNS,
        "arms": listed,
        "metrics": [{"name": _METRICS.get(name, name.replace("_", " ")), "key": name} for name in metrics],
        "axes": [{"name": label, "key": name} for name, label in _AXES.items()],
        "places": curves.places,
        "stride": stride,
        "outcomes": [name.replace("_", "-") for name in OUTCOMES],
        "faces": [face for face, _, _ in OUTCOMES.values()],
        # The script interpolates; the stops are those of the figure of the map.
        "shades": [to_hex(matplotlib.colormaps["Blues"](stop)) for stop in (0.08, 0.39, 0.7)],
        "colours": ["currentColor", *CATEGORIES[1:]],  # black, but on a dark page
        "dashes": [[], [6, 3], [2, 2], [8, 2, 2, 2], [10, 3, 2, 3, 2, 3], [12, 4], [1, 3]],
    }


def find_facets(arms: pd.DataFrame) -> list[Facet]:
    """What arms differ in: rate and m always; keys of a schedule, a policy, an update or a network together."""
    groups: dict[str, list[str]] = {_COLUMNS: [_COLUMNS], _ROWS: [_ROWS]}
    for key in naming_keys(arms):
        if key not in groups:
            groups.setdefault(_group_of(key), []).append(key)
    rows = list_arms(arms)
    found = []
    for name, keys in groups.items():
        labels = [label_settings(row, keys) for row in rows]
        # In the order of the values of the group's keys, whatever else the arms are ordered by.
        ordered = arms.sort_values(keys, kind="stable", key=lambda column: order_values(str(column.name), column))
        place = {index: number for number, index in enumerate(arms.index)}
        values = list(dict.fromkeys(labels[place[index]] for index in ordered.index))
        if len(values) > 1 or name in (_ROWS, _COLUMNS):
            words = [value or "does not apply" for value in values]
            found.append(Facet(name, words, [values.index(label) for label in labels]))
    return found


def find_map(arms: pd.DataFrame) -> int:
    """The number of the experiment with the most pairs of rate and m; -1 if none has several of both."""
    sizes = []
    for name in experiment_names(arms):
        chosen = select_experiment(arms, name)
        several = min(chosen[_ROWS].nunique(), chosen[_COLUMNS].nunique()) > 1
        sizes.append(len(chosen[[_ROWS, _COLUMNS]].drop_duplicates()) if several else 0)
    return int(np.argmax(sizes)) if any(sizes) else -1


class Curves:
    """The runs' curves of ``metrics``, with every ``stride``-th evaluation and the last."""

    def __init__(self, metrics: Sequence[str], stride: int) -> None:
        self._metrics, self._stride = metrics, stride
        self._known: dict[tuple[tuple[float, ...], ...], int] = {}

    @property
    def places(self) -> list[list[list[float]]]:
        """Where the points lie: for each of the places that runs name as `x`, the values on each of the axes."""
        return [[list(axis) for axis in axes] for axes in self._known]

    def collect(self, runs: pd.DataFrame, evaluations: pd.DataFrame, arms: pd.DataFrame) -> dict[str, list[Any]]:
        """The runs of each arm: `s` seed, `o` number of the outcome, `a` final test accuracy, `l` last step,
        `x` number of the places, `v` the values of each metric; `e` the numbers of the run's experiments, where they
        are not all of the arm's.
        """
        experiments = experiment_names(arms)
        by_arm = {arm["arm"]: arm for arm in list_arms(arms)}
        workers = evaluations["arm"].map({name: arm["num_workers"] for name, arm in by_arm.items()})
        clock = {axis: find_places(evaluations, {"num_workers": workers}, axis) for axis in list(_AXES)[1:]}
        table = evaluations[["run", "epoch", *self._metrics]].assign(**{f"at {axis}": at for axis, at in clock.items()})
        table = _thin(table.sort_values(["run", "epoch"], kind="stable"), self._stride)
        sizes = table.groupby("run").size()
        ends = sizes.cumsum()
        axes = [_round(table[name], 6) for name in ("epoch", *(f"at {axis}" for axis in clock))]
        values = [_round(table[name], 4) for name in self._metrics]
        order = list(OUTCOMES)
        found: dict[str, list[Any]] = {name: [] for name in by_arm}
        if missing := sorted(set(runs["run"]) - set(sizes.index)):
            raise AsgdError(f"table evaluations: has no rows of {missing[0]}; make the tables again")
        for run in list_arms(runs.sort_values("seed", kind="stable")):
            end = int(ends[run["run"]])
            part = slice(end - sizes[run["run"]], end)
            places = tuple(tuple(axis[part]) for axis in axes)
            own, of_arm = (str(row["experiments"]).split(";") for row in (run, by_arm[run["arm"]]))
            members = {} if set(own) == set(of_arm) else {"e": [experiments.index(name) for name in own]}
            found[run["arm"]].append(
                {
                    "s": int(run["seed"]),
                    "o": order.index(run["outcome"]),
                    "a": _round([run["final_test_accuracy"]], 4)[0],
                    "l": int(run["last_step"]),
                    "x": self._known.setdefault(places, len(self._known)),
                    "v": [column[part] for column in values],
                    **members,
                }
            )
        return found


def _thin(table: pd.DataFrame, stride: int) -> pd.DataFrame:
    """Of each run every ``stride``-th row and the last."""
    runs = table.groupby("run")
    return table[(runs.cumcount() % stride == 0) | (runs.cumcount(ascending=False) == 0)]


def _round(values: Any, digits: int) -> list[float]:
    """Numbers with ``digits`` significant digits; None where there is none, or none that is finite."""
    found: list[Any] = []
    for value in np.asarray(values, dtype=float).tolist():
        rounded = float(f"{value:.{digits}g}") if math.isfinite(value) else None
        found.append(int(rounded) if rounded is not None and rounded.is_integer() else rounded)
    return found


def _group_of(key: str) -> str:
    """The choice that a key belongs to, as of `latency` the schedule; of others the whole parameter."""
    for part in Keys.__subclasses__():
        if key in part.model_fields and issubclass(RunConfig, part):
            first = next(iter(part.model_fields))
            return first if first in {*RunConfig.choices(), "execution"} else whole_of(key)
    return whole_of(key)


def _fill_later(arms: pd.DataFrame) -> pd.DataFrame:
    """Of arms that are older than a parameter, the value of it that means what they did."""
    before = {key: value for key, value in RunConfig.later_keys().items() if isinstance(value, str | int | float)}
    return arms.fillna({key: value for key, value in before.items() if key in arms})


def _order(arms: pd.DataFrame) -> pd.DataFrame:
    keys = varying_keys(arms)
    if not keys:
        return arms.reset_index(drop=True)
    ordered = arms.sort_values(keys, kind="stable", key=lambda column: order_values(str(column.name), column))
    return ordered.reset_index(drop=True)


def _embed(value: Any) -> str:
    """JSON that may stand in a script element of HTML."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


@cache
def _bundle_libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Raises AsgdError without vl-convert."""
    try:
        import vl_convert
    except ImportError as error:
        raise AsgdError(f"{EXPLORER}: needs vl-convert-python ({error}); install it") from error
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
