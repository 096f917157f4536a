"""The figures of the second edition: they draw the values that the tables hold, and are told apart in grey."""

from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asgd.analyses.analysis import list_analyses
from asgd.analyses.phase_map import PhaseMap, summarize_map
from asgd.figures.plot import list_plots
from asgd.figures.style import use_style
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.settings.study import expand_experiments, load_params
from asgd.settings.subjects import find_subject, find_varying
from asgd.tables.experiments import select_curve, select_experiment
from asgd.tables.statistics import describe
from asgd.tables.table import Tables
from tests.example_tables import draw
from tests.pipeline import ROOT
from tests.study_tables import make_study, make_tables, map_configs

SLOW = {"schedule": "latency", "slow_share": 0.5, "slow_factor": 4.0}
SCHEDULES: list[dict[str, Any]] = [{}, {"schedule": "random"}, {"schedule": "latency", "latency": "pareto"}, SLOW]
NAMES = ["round robin", "random worker", "Pareto, shape = 1.5", "gamma, cv = 1, slow share = 0.5, slow factor = 4"]
PARETO = {"schedule": "latency", "latency": "pareto"}
POLICIES: list[dict[str, Any]] = [
    {},
    {"policy": "discard", "max_staleness": 10, "stop": True},
    {"policy": "synchronous"},
    {"policy": "synchronous", "backups": 2},
    {"policy": "synchronous", "backups": 2, "cancel": False},
]


@pytest.fixture(autouse=True)
def project_style() -> None:
    use_style(Path(ROOT) / "report" / "asgd.mplstyle")


def expand(seeds: int, settings: list[dict[str, Any]]) -> list[RunConfig]:
    return [RunConfig.model_validate({"epochs": 2, **one, "seed": s}) for one in settings for s in range(seeds)]


def make_schedules() -> Tables:
    """At the larger rate one of three runs in turn dies at m = 100."""
    settings = [
        {"learning_rate": rate, "num_workers": m, **schedule}
        for rate, m, schedule in product((0.005, 0.02), (10, 100), SCHEDULES)
    ]

    def result(config: RunConfig) -> tuple[float, str]:
        harmed = config.schedule == "round_robin" and config.num_workers == 100
        dies = harmed and config.learning_rate > 0.01 and config.seed == 0
        return (0.1, "dead") if dies else (0.4 if harmed else 0.6, "trained")

    return {"runs": make_study(expand(3, settings), "all;others", result)[0]}


def make_limits() -> Tables:
    """Constant delays, and a schedule with four times their limit."""
    table = summarize_map(
        PhaseMap.of(
            *make_study(map_configs([0.001, 0.01], [1, 10, 100], 2), "map", lambda config: (0.5, "trained")),
            ClaimsConfig(),
            "map",
        )
    )
    sharpness = pd.DataFrame([(1, 0, 0.25), (1, 100, 25.0), (100, 100, 1.0)])
    sharpness.columns = pd.Index(["num_workers", "step", "sharpness"])
    constant = {1: 2.0, 10: 0.165, 100: 0.0158}
    rows = [
        {"schedule": name, "num_workers": m, "threshold": factor * limit, "error": error, "constant_threshold": limit}
        for name, factor, error in (("round robin", 1.0, 0.0), ("spread", 4.0, 0.01))
        for m, limit in constant.items()
    ]
    return {"map": table, "sharpness": sharpness, "limits": pd.DataFrame(rows)}


def make_remedies() -> Tables:
    """Three methods on each of two schedules; one of them only on one."""
    gains = {
        "Adagrad": (5.0, 4.0, 6.0),
        "discard, max staleness = 10, computed to the end": (-0.2, -1.0, 0.6),
        "DC-ASGD-c, lambda = 160": (-40.0, -41.0, -39.0),
    }
    rows = []
    for schedule, m in product(("random worker", "round robin"), (10, 100)):
        for rank, (method, (difference, low, high)) in enumerate(gains.items()):
            accuracies = {"accuracy": 0.5 + difference / 100, "plain_accuracy": 0.5}
            row = {"schedule": schedule, "num_workers": m, "rank": rank + 1, "method": method, **accuracies}
            rows.append({**row, "difference": difference, "low": low, "high": high})
    table = pd.DataFrame(rows)
    return {"remedies": table[~(table["method"].str.startswith("discard") & (table["schedule"] == "round robin"))]}


def make_stragglers() -> Tables:
    """Waiting takes four times as long, half of that with backup workers."""
    settings = [
        {"num_workers": m, **PARETO, "latency": latency, **policy}
        for latency, m, policy in product(("pareto", "gamma"), (10, 30), POLICIES)
    ]
    configs = expand(3, settings)
    runs, evaluations = make_study(configs, "any", lambda config: (0.5, "trained"))
    about = runs.set_index("run")
    slowness = 1 + (about["policy"] == "synchronous") * (3 - about["backups"].fillna(0))
    pace = evaluations["run"].map(slowness / about["num_workers"])
    return make_tables(runs, evaluations.assign(gradients=evaluations["step"], time=evaluations["step"] * pace))


def make_batches() -> Tables:
    """The larger batch loses ten times as much; gaps are known at the smaller one only."""
    rows = [
        {"batch_size": b, "num_workers": m, "seed": s, "lost": (m - 1) * b / 10 + s, "gap_change": gap}
        for b, gap in ((1, 0.1), (10, np.nan))
        for m in (1, 10, 30)
        for s in (0, 1, 2)
    ]
    return {"batch_delay": pd.DataFrame(rows)}


def make_edge() -> Tables:
    """m = 1 comes to its limit; one run of m = 10 overflows, one bursts."""
    rows = []
    for m, seed, step in product((1, 10), (4, 5, 6), range(0, 100, 10)):
        value = 0.5 if step < 40 else 1.0 + 0.1 * (seed - 5)
        if m == 10:
            value = np.nan if seed == 4 and step >= 70 else 9.0 if seed == 6 and step == 20 else 1.2
        rows.append({"num_workers": m, "seed": seed, "step": step, "sharpness": 40 * value, "stability": value})
    return {"edge": pd.DataFrame(rows)}


def make_network() -> Tables:
    kinds: list[dict[str, Any]] = [
        {"momentum": 0.0},
        {"momentum": 0.9, "momentum_where": "worker", "momentum_convention": "ema"},
    ]
    settings = [{"network": "resnet8", "num_workers": m, **kind} for m in (1, 16) for kind in kinds]
    return make_tables(*make_study(expand(3, settings), "any", lambda config: (0.5, "trained")))


ALL: dict[str, Callable[[], Figure]] = {
    "schedules": lambda: draw("schedules", make_schedules(), "all"),
    "schedule_limits": lambda: draw("schedule_limits", make_limits()),
    "remedies": lambda: draw("remedies", make_remedies()),
    "stragglers": lambda: draw("stragglers", make_stragglers(), "any"),
    "batch_delay": lambda: draw("batch_delay", make_batches()),
    "edge": lambda: draw("edge", make_edge()),
    "other_network": lambda: draw("other_network", make_network(), "any"),
}


def named(axes: Axes) -> dict[str, list[Line2D]]:
    """The lines that carry a name, by it."""
    found: dict[str, list[Line2D]] = {}
    for line in axes.lines:
        if line.get_gid():
            found.setdefault(str(line.get_gid()), []).append(line)
    return found


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def y_labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_accuracy_is_drawn_for_each_schedule_against_m_at_each_rate() -> None:
    tables = make_schedules()
    figure = draw("schedules", tables, "all")
    assert [axes.get_title() for axes in figure.axes] == ["learning rate 0.005", "learning rate 0.02"]
    assert legend_texts(figure) == NAMES
    lines = named(figure.axes[1])
    assert list(lines) == NAMES
    runs = tables["runs"]
    chosen = runs[(runs["learning_rate"] == 0.02) & (runs["num_workers"] == 100)]
    accuracies = chosen.loc[chosen["schedule"].isna() | (chosen["schedule"] == "round_robin"), "final_test_accuracy"]
    (mean,) = lines["round robin"]
    assert len(accuracies) == 3
    assert mean.get_ydata()[1] == pytest.approx(accuracies.mean())
    intervals = [bar.get_segments() for bar in figure.axes[1].collections]
    assert intervals[0][1][:, 1] == pytest.approx([describe(accuracies).low, describe(accuracies).high])
    dots = [line for line in figure.axes[1].lines if line.get_marker() == "."]
    assert sum(len(line.get_ydata()) for line in dots) == 3 * 2 * len(NAMES)
    assert min(np.concatenate([line.get_ydata() for line in dots])) == pytest.approx(0.1)  # the dead one
    places = [line.get_xdata()[0] for (line,) in lines.values()]
    assert places == sorted(places)
    assert max(places) < 0.5  # side by side, and none where the next m is


def test_the_limits_of_schedules_lie_on_the_map_and_over_that_of_constant_delays() -> None:
    figure = draw("schedule_limits", make_limits())
    left, right = figure.axes
    (line,), (spread,) = (named(left)[name] for name in ("round robin", "spread"))
    assert list(line.get_xdata()) == [1, 2]  # m = 1 has no schedule
    between = np.log(0.165 / 25 / 0.001) / np.log(10)
    assert line.get_ydata() == pytest.approx([between, -0.75])  # m = 100: below the map
    assert spread.get_ydata() == pytest.approx([1.75, np.log(4 * 0.0158 / 25 / 0.001) / np.log(10)])
    assert texts_of(left) == ["50"] * 6
    (ratio,) = named(right)["spread"]
    assert ratio.get_ydata() == pytest.approx([4, 4, 4])
    assert "at $\\lambda$ = 25" in figure.legends[0].get_title().get_text()
    assert legend_texts(figure)[-2:] == ["round robin", "spread"]


def test_limits_without_a_sharpness_leave_the_map_without_lines() -> None:
    tables = make_limits()
    figure = draw("schedule_limits", {**tables, "sharpness": tables["sharpness"].assign(sharpness=0.0)})
    assert not named(figure.axes[0])
    assert named(figure.axes[1]).keys() == {"round robin", "spread"}


def test_remedies_are_ranked_with_plain_sgd_among_them() -> None:
    figure = draw("remedies", make_remedies())
    assert [axes.get_title() for axes in figure.axes] == [
        f"{schedule}, m = {m}" for m in (10, 100) for schedule in ("random worker", "round robin")
    ]
    first, second = figure.axes[:2]
    discard = "discard \N{GREATER-THAN OR EQUAL TO} 10"
    assert y_labels(first) == ["Adagrad", "plain SGD", discard, "DC-ASGD-c, $\\lambda$ = 160"]
    assert y_labels(second) == ["Adagrad", "plain SGD", "DC-ASGD-c, $\\lambda$ = 160"]
    assert first.get_ylim() == second.get_ylim() == (3.5, -0.5)  # rows of one height
    assert texts_of(first) == ["55.0 %", "50.0 %", "49.8 %", "10.0 %"]
    dots = {name: line for name, (line,) in named(first).items()}
    assert [float(line.get_xdata()[0]) for line in dots.values()] == [5, 0, -0.2, -40]
    assert [float(line.get_ydata()[0]) for line in dots.values()] == [0, 1, 2, 3]
    filled = [line.get_markerfacecolor() != "white" for line in dots.values()]
    assert filled == [True, True, False, True]  # discard: its interval holds 0
    bars = [line.get_xdata() for line in first.lines if len(line.get_xdata()) == 2 and not line.get_gid()]
    assert [list(bar) for bar in bars[:3]] == [[4, 6], [-1, 0.6], [-41, -39]]
    low, high = first.get_xlim()
    assert low < -41
    assert high == -low


def test_stragglers_are_drawn_against_time_by_policy() -> None:
    tables = make_stragglers()
    figure = draw("stragglers", tables, "any")
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == [f"{name}\nm = {m}" for name in ("Pareto, shape = 1.5", "gamma, cv = 1") for m in (10, 30)]
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes[::4]] == ["late ones restart", "late ones finish"]
    assert legend_texts(figure)[:4] == [
        "asynchronous, every gradient",
        "asynchronous, discard, stopped",
        "synchronous, backups = 0",
        "synchronous, backups = 2",
    ]
    arms = tables["arms"].set_index("arm")
    for axes, cancel in ((figure.axes[0], True), (figure.axes[4], False)):
        drawn = arms.loc[list(named(axes))]
        assert len(drawn) == 4  # of the five: the other kind of backup workers is in the other row
        assert set(drawn["num_workers"]) == {10}
        kinds = drawn.loc[drawn["backups"] == 2, "cancel"].fillna(True)
        assert kinds.tolist() == [cancel]
    ends = {arm: lines[0].get_xdata()[-1] for arm, lines in named(figure.axes[0]).items()}
    waiting = arms["policy"].eq("synchronous") & arms["backups"].fillna(0).eq(0)
    assert [ends[arm] for arm in ends if waiting[arm]] == pytest.approx([4 * 200 / 10])
    assert min(ends.values()) == pytest.approx(200 / 10)
    assert all(axes.get_xscale() == "log" for axes in figure.axes)


def test_policies_that_differ_in_a_number_alone_are_told_apart() -> None:
    policies = [
        {"policy": "discard", "max_staleness": 5, "stop": True},
        {"policy": "discard", "max_staleness": 20, "stop": True},
        {"policy": "synchronous", "backups": 2, "learning_rate": 0.01},
        {"policy": "synchronous", "backups": 2, "learning_rate": 0.04},
    ]
    runs, evaluations = make_study(
        expand(3, [{"num_workers": 10, **PARETO, **policy} for policy in policies]),
        "any",
        lambda config: (0.5, "trained"),
    )
    tables = make_tables(runs, evaluations.assign(gradients=evaluations["step"], time=evaluations["step"]))
    assert legend_texts(draw("stragglers", tables, "any"))[:4] == [
        "asynchronous, discard, stopped, max staleness = 5, rate = 0.01",
        "asynchronous, discard, stopped, max staleness = 20, rate = 0.01",
        "synchronous, backups = 2, rate = 0.01",
        "synchronous, backups = 2, rate = 0.04",
    ]


def test_the_cost_of_delay_is_drawn_for_each_batch() -> None:
    figure = draw("batch_delay", make_batches())
    lost, gap = figure.axes
    (small,), (large,) = named(lost)["batch 1"], named(lost)["batch 10"]
    assert small.get_ydata() == pytest.approx([1.9, 3.9])
    assert large.get_ydata() == pytest.approx([10, 30])
    assert named(gap)["batch 1"][0].get_ydata() == pytest.approx([0.1, 0.1])
    assert np.isnan(np.asarray(named(gap)["batch 10"][0].get_ydata(), dtype=float)).all()
    assert [label.get_text() for label in lost.get_xticklabels()] == ["10", "30"]
    without = make_batches()["batch_delay"].assign(gap_change=np.nan)
    assert len(draw("batch_delay", {"batch_delay": without}).axes) == 1


def test_the_sharpness_is_drawn_over_its_limit_with_the_median_of_the_later_half() -> None:
    figure = draw("edge", make_edge())
    one, ten = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["m = 1", "m = 10"]
    assert len(named(one)["run"]) == 3
    (middle,) = named(one)["median"]
    assert middle.get_ydata() == pytest.approx([0.5] * 4 + [1.0] * 6)
    assert texts_of(one) == ["1.00"]
    assert texts_of(ten) == ["1.20\n1 overflowed"]
    (shade,) = one.patches
    assert shade.get_x() == 45
    assert one.get_ylim() == (0, 2.5)
    assert "cut off" in figure.legends[0].get_title().get_text()


def test_another_network_is_drawn_by_m_and_momentum() -> None:
    tables = make_network()
    figure = draw("other_network", tables, "any")
    loss, accuracy = figure.axes
    assert list(named(loss)) == list(named(accuracy)) == list(select_experiment(tables["arms"], "any")["arm"])
    assert [text for text in legend_texts(figure) if "seeds" not in text] == [
        f"m = {m}, {kind}" for m in (1, 16) for kind in ("no momentum", "worker EMA")
    ]
    for arm, (line,) in named(accuracy).items():
        curve = select_curve(tables["curves"], arm, "test_accuracy")
        assert line.get_ydata() == pytest.approx(curve["mean"].to_numpy())


def test_the_second_edition_has_an_experiment_for_each_figure() -> None:
    preset = load_params(ROOT / "params.yaml", "second").selected
    varying = find_varying(expand_experiments(preset))
    abouts = {name: plot.about for name, plot in list_plots().items() if plot.about}
    abouts |= {name: analysis.about for name, analysis in list_analyses().items()}
    found = {name: find_subject(preset, name, about, varying) for name, about in abouts.items()}
    expected = {"schedules": "schedules", "limits": "schedules", "batch_delay": "batch_size"}
    expected |= {"stragglers": "stragglers", "other_network": "resnet"}
    expected |= dict.fromkeys(("real_replayed", "real_speed", "real_staleness"), "real")
    assert expected == {name: found[name] for name in expected}


@pytest.mark.parametrize("name", ALL)
def test_lines_are_told_apart_without_colour(name: str) -> None:
    lines = [line for line in ALL[name]().legends[0].get_lines() if line.get_label()]
    looks = [
        (line.get_marker(), str(line._dash_pattern), line.get_markerfacecolor() == "white", line.get_linewidth())
        for line in lines
    ]
    assert len(set(looks)) == len(looks) > 1


@pytest.mark.parametrize("name", ALL)
def test_text_is_at_least_seven_points_and_inside_the_figure(name: str) -> None:
    figure = ALL[name]()
    shown = [text for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize")) if text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= 7
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= -0.01
    assert max(drawn.x1 - width, drawn.y1 - height) <= 0.01
    titles = sorted((axes.title.get_window_extent() for axes in figure.axes), key=lambda box: (box.y0, box.x0))
    assert all(a.x1 <= b.x0 for a, b in pairwise(titles) if abs(a.y0 - b.y0) < 1 and a.width)
