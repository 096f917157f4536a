"""The figures beyond the paper's: they draw the arms, outcomes and verdicts that the tables hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from asgd.analyses.phase_map import PhaseMap, summarize_map
from asgd.errors import AsgdError
from asgd.figures.style import save_figure, use_style
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.tables.table import Tables
from tests.example_tables import draw
from tests.study_tables import LN10, make_study, make_tables, map_configs

RATES, WORKERS = [0.001, 0.01], [1, 10, 100]


@pytest.fixture(autouse=True)
def project_style() -> None:
    use_style(Path(__file__).parents[2] / "report" / "asgd.mplstyle")


def make_map() -> pd.DataFrame:
    def result(config: RunConfig) -> tuple[float, str]:
        trains = config.num_workers < 100 or config.learning_rate < 0.01
        return (0.5, "trained") if trains else (0.1, "dead" if config.seed else "plateau")

    tables = make_study(map_configs(RATES, WORKERS, 3), "map", result)
    return summarize_map(PhaseMap.of(*tables, ClaimsConfig(), "map"))


def make_sharpness() -> pd.DataFrame:
    rows = [(1, 0, 0.25), (1, 100, 20.0), (1, 200, 30.0), (1, 300, 25.0), (100, 100, 1.0)]
    return pd.DataFrame(rows, columns=["num_workers", "step", "sharpness"])


def make_pairs() -> pd.DataFrame:
    """Two kinds of momentum, two rates: all four claims hold once, three of them once."""
    rows = []
    for rate_none in RATES:
        for rate_momentum in RATES:
            for variant in ("server-ema", "worker-ema"):
                kept = {"C2": True, "C3": rate_none == 0.01, "C4": rate_momentum == 0.01, "C5": variant == "server-ema"}
                names = {"rate_none": rate_none, "rate_momentum": rate_momentum, "variant": variant}
                verdicts = {c: "reproduced" if c == "C3" and kept[c] else "inconclusive" for c in kept}
                flags = {f"{c}_holds": value for c, value in kept.items()}
                rows.append({**names, **verdicts, **flags, "holding": sum(kept.values())})
    return pd.DataFrame(rows)


def make_settings() -> pd.DataFrame:
    """Two lengths, two keepers of momentum and two rates; all claims hold twice, with C3 as "dead" once of them."""
    rows = []
    for epochs in (1.5, 3.0):
        for rate_none in RATES if epochs == 1.5 else RATES[1:]:
            for rate_average in (0.01, 0.1):
                for variant in ("server-pytorch", "worker-ema"):
                    slow, worker = rate_average == 0.01, variant == "worker-ema"
                    kept = {"C2": rate_none == 0.01, "C3_not_trained": True, "C3_dead": epochs == 3}
                    kept |= {"C4": slow, "C5": slow and worker}
                    names = {
                        "epochs": epochs,
                        "rate_none": rate_none,
                        "rate_average": rate_average,
                        "n": int(2 * epochs),
                    }
                    rows.append(
                        {**names, "variant": variant, **{f"{claim}_holds": value for claim, value in kept.items()}}
                    )
    return pd.DataFrame(rows)


def make_death() -> pd.DataFrame:
    """A run that is dead from step 60 on, and its control; the logits die one after the other."""
    steps = np.arange(0, 101, 5)
    tables = []
    for relu in (True, False):
        dead = relu & (steps >= 60)
        logits = {f"logit_{k}": np.where(relu & (steps > 5 * k), -1.0, 1.0) for k in range(10)}
        curves = {
            "test_loss": np.where(dead, LN10, 2.2),
            "zero_logit_share": dead.astype(float),
            "gradient_norm": np.where(dead, 0.0, 1.0),
            "zero_gradient_share": np.where(steps > 0, dead.astype(float), np.nan),
            "staleness_displacement": np.where(dead, 0.0, 0.1),
            "stability": np.where(steps % 20 == 0, 2.0 * ~dead, np.nan),
        }
        names = {"output_relu": relu, "num_workers": 100, "learning_rate": 0.02, "seed": 1}
        tables.append(pd.DataFrame({**names, "step": steps, **curves, **logits}))
    return pd.concat(tables, ignore_index=True)


def make_readings() -> Tables:
    configs = [
        RunConfig(num_workers=m, output_relu=relu, pools=pools, epochs=2, seed=seed, engine="fused")
        for m in (1, 100)
        for relu in (True, False)
        for pools in (1, 2)
        for seed in range(3)
    ]

    def result(config: RunConfig) -> tuple[float, str]:
        if config.num_workers == 1:
            return 0.5, "trained"
        return 0.1, "dead" if config.output_relu else "plateau" if config.seed else "non_finite"

    runs, evaluations = make_study(configs, "readings;delay", result)
    runs.loc[runs["outcome"] == "non_finite", "last_step"] = 100
    return {"runs": runs, "evaluations": evaluations}


def make_regulariser() -> tuple[pd.DataFrame, pd.DataFrame]:
    arms = ({}, {"num_workers": 10}, {"dropout": 0.2}, {"dropout": 0.5})
    configs = [
        RunConfig.model_validate({"epochs": 4, "seed": s, "engine": "fused", **arm}) for arm in arms for s in (0, 1)
    ]
    return make_study(configs, "regulariser", lambda config: (0.7 - 0.01 * config.num_workers, "trained"))


def make_sharpness_tracks() -> pd.DataFrame:
    """m = 1 below its limit, m = 100 far above it; a run of m = 100 dies."""
    rows = [
        {"num_workers": m, "seed": seed, "epoch": epoch, "sharpness": value * (1 + 0.1 * seed), "limit": limit}
        for m, limit, values in ((1, 200.0, (0.2, 20.0, 30.0)), (100, 1.6, (0.2, 4.0, 2.0)))
        for seed in range(3)
        for epoch, value in enumerate(values)
    ]
    table = pd.DataFrame(rows)
    return table.assign(sharpness=table["sharpness"].mask((table["num_workers"] == 100) & (table["seed"] == 2), 0.0))


def draw_map() -> Figure:
    return draw("phase_map", {"map": make_map(), "sharpness": make_sharpness()})


ALL = {
    "phase_map": draw_map,
    "reconciliation": lambda: draw("reconciliation", {"map_pairs": make_pairs()}),
    "reconciliation_lengths": lambda: draw("reconciliation_lengths", {"reconciliation": make_settings()}),
    "readings": lambda: draw("readings", make_readings(), "readings"),
    "death": lambda: draw("death", {"death": make_death()}),
    "regulariser": lambda: draw("regulariser", make_tables(*make_regulariser()), "regulariser"),
    "sharpness": lambda: draw("sharpness", {"sharpness": make_sharpness_tracks()}),
}


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_phase_map_shows_accuracy_where_runs_train_and_the_outcome_elsewhere() -> None:
    figure = draw_map()
    assert [axes.get_title() for axes in figure.axes] == ["no momentum", "server PyTorch", "server EMA", "worker EMA"]
    for axes in figure.axes:
        assert texts_of(axes) == ["50"] * 5  # six cells, one of which died
        cells = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert len(cells) == 6
        dead = [cell.get_xy() for cell in cells if cell.get_facecolor()[:3] == pytest.approx((0x22 / 255,) * 3)]
        assert dead == [(1.5, 0.5)]  # m = 100 at the larger rate
        assert [patch.get_gid() for patch in axes.patches if patch.get_gid()] == ["mixed"]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "100"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0.001", "0.01"]


def test_stability_limits_lie_at_threshold_over_lambda() -> None:
    figure = draw_map()
    start, later = (line for line in figure.axes[0].lines if line.get_gid() == "limit")
    # m = 10: 0.165159 / 25 = 0.0066, between the rates by its logarithm; at the start 0.66 lies above the map
    between = np.log(0.165159 / 25 / 0.001) / np.log(10)
    assert later.get_ydata() == pytest.approx([1.75, between, -0.75, -0.75], abs=1e-5)
    assert start.get_ydata()[0] == start.get_ydata()[1] == 1.75
    assert start.get_linestyle() != later.get_linestyle()
    assert "stability limit, $\\lambda$ = 25, later on" in legend_texts(figure)


def test_the_reconciliation_shows_four_claims_in_every_cell_and_frames_the_best() -> None:
    figure = draw("reconciliation", {"map_pairs": make_pairs()})
    server, worker = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["server EMA", "worker EMA"]
    assert texts_of(server) == ["2", "3", "4", "5"] * 4
    frames = {axes: {p.get_gid(): p.get_xy() for p in axes.patches if p.get_gid()} for axes in figure.axes}
    assert frames[server]["4 hold"] == (0.55, 0.55)
    assert frames[worker] == {"3 hold": (0.55, 0.55)}
    dark = [p for p in worker.patches if p.get_facecolor()[:3] == pytest.approx((8 / 255, 81 / 255, 156 / 255))]
    assert sorted(p.get_x() > 0.5 for p in dark) == [True, True]  # C3, at the rate 0.01 without momentum


def test_the_claims_are_told_apart_by_lightness() -> None:
    faces = [
        handle.get_facecolor()[:3]
        for handle in draw("reconciliation", {"map_pairs": make_pairs()}).legends[0].get_patches()[:3]
    ]
    lightness = [float(np.dot(face, (0.2126, 0.7152, 0.0722))) for face in faces]
    assert np.all(np.diff(lightness) > 0.2)


def test_the_reconciliation_of_lengths_frames_where_all_claims_hold() -> None:
    figure = ALL["reconciliation_lengths"]()
    above, _, server, *_, workers = np.array(figure.axes).reshape(3, 2).ravel()
    short = figure.axes[4]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["1.5 epochs\nn = 3", "3 epochs\nn = 6"]
    assert [len(axes.patches) for axes in figure.axes] == [2 * 3, 3, 4, 2, 4, 2]
    dark = [patch.get_xy() for patch in above.patches if patch.get_facecolor()[0] < 0.5]
    assert sorted(dark) == pytest.approx(np.array([(-0.45, 0.55), (0.55, 0.55), (0.55, 1.55)]))  # not dead; C2 at 0.01
    assert texts_of(server) == ["4", "", "4", ""]
    framed = {axes: [patch.get_xy() for patch in axes.patches if patch.get_gid()] for axes in figure.axes}
    assert {axes for axes, found in framed.items() if found} == {short, workers}
    assert framed[short] == [(0.55, -0.45)]
    assert [line.get_gid() for line in workers.lines] == ["dead too"]
    assert not short.lines
    assert texts_of(short) == ["45", "", "45", ""]
    assert figure.legends[0].get_title().get_text().endswith("?")


def test_its_cells_are_told_apart_by_lightness() -> None:
    patches = ALL["reconciliation_lengths"]().legends[0].get_patches()[1:4]
    lightness = [float(np.dot(patch.get_facecolor()[:3], (0.2126, 0.7152, 0.0722))) for patch in patches]
    assert np.all(np.diff([*lightness, 1.0]) > 0.1)


def test_readings_draw_every_run_and_count_how_they_ended() -> None:
    figure = ALL["readings"]()
    assert len(figure.axes) == 8
    assert [axes.get_title() for axes in figure.axes[:2]] == ["m = 1", "m = 100"]
    counts = [texts_of(axes)[-1] for axes in figure.axes]
    assert counts == ["3 trained", "3 dead"] * 2 + ["3 trained", "2 plateau, 1 non-finite"] * 2
    assert "ReLU on logits,\ntwo poolings" in figure.axes[0].get_ylabel()
    assert "plain logits,\none pooling" in figure.axes[6].get_ylabel()
    dead = [line for line in figure.axes[1].lines if line.get_gid() == "dead"]
    assert all(np.asarray(line.get_ydata()) == pytest.approx(LN10) for line in dead)
    overflowed = next(line for line in figure.axes[5].lines if line.get_gid() == "non_finite")
    assert max(overflowed.get_xdata()) < 100  # and not on to the end, at chance


def test_the_death_is_shaded_from_the_first_silent_probe() -> None:
    figure = ALL["death"]()
    assert [axes.get_title(loc="left")[:3] for axes in figure.axes] == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    for axes in figure.axes:
        (shade,) = (patch for patch in axes.patches if patch.get_width() > 0)
        assert shade.get_x() == 60
    control, dying = figure.axes[2].lines[:2]
    assert np.isfinite(control.get_ydata()).all()
    assert np.isfinite(np.asarray(dying.get_ydata(), dtype=float)).sum() == 12  # zero has no place on the logarithm
    (raster,) = figure.axes[5].collections
    alive = ~np.ma.getmaskarray(np.ma.masked_invalid(raster.get_array())).reshape(10, -1)
    assert alive.sum(axis=1).tolist() == [k + 1 for k in range(10)]
    assert legend_texts(figure)[-1] == "gradient exactly zero from here on"


def test_a_run_that_does_not_die_has_no_shade() -> None:
    table = make_death()
    table["zero_gradient_share"] = 0.0
    figure = draw("death", {"death": table})
    assert not figure.axes[0].patches
    assert len(legend_texts(figure)) == 2


def test_the_gap_is_drawn_against_the_training_loss() -> None:
    runs, evaluations = make_regulariser()
    figure = draw("regulariser", make_tables(runs, evaluations), "regulariser")
    (axes,) = figure.axes
    assert legend_texts(figure) == ["m = 1", "m = 10", "p = 0.2", "p = 0.5"]
    assert axes.xaxis_inverted()
    arm = runs["arm"].iloc[0]
    line = next(line for line in axes.lines if line.get_gid() == arm)
    mean = evaluations[evaluations["arm"] == arm].groupby("step")[["train_eval_loss", "test_loss"]].mean()
    assert line.get_xdata() == pytest.approx(mean["train_eval_loss"].to_numpy())
    assert line.get_ydata() == pytest.approx((mean["test_loss"] - mean["train_eval_loss"]).to_numpy())
    dashed = [handle.is_dashed() for handle in figure.legends[0].get_lines()]
    assert dashed == [False, False, True, True]
    assert len({handle.get_marker() for handle in figure.legends[0].get_lines()}) == 4


def test_the_sharpness_is_drawn_with_the_limit_of_each_m() -> None:
    figure = ALL["sharpness"]()
    lines = {line.get_gid(): line for line in figure.axes[0].lines if line.get_gid()}
    assert lines["limit1"].get_ydata()[0] == 200
    assert lines["limit100"].get_ydata()[0] == 1.6
    assert lines["m1"].get_ydata() == pytest.approx(np.array([0.2, 20.0, 30.0]) * 1.1)
    assert lines["m100"].get_ydata() == pytest.approx(np.array([0.2, 4.0, 2.0]) * 1.05)  # of the two that live
    assert legend_texts(figure) == ["m = 1", "m = 100", "largest stable"]


def test_a_missing_experiment_or_metric_is_named() -> None:
    runs, evaluations = make_regulariser()
    with pytest.raises(AsgdError, match="experiment 'readings' has no arms"):
        draw("readings", {"runs": runs, "evaluations": evaluations}, "readings")
    without = evaluations.assign(train_eval_loss=np.nan)
    with pytest.raises(AsgdError, match="no losses on the training subset; set"):
        draw("regulariser", make_tables(runs, without), "regulariser")


@pytest.mark.parametrize("name", ALL)
def test_text_is_at_least_seven_points_and_inside_the_figure(name: str) -> None:
    figure = ALL[name]()
    shown = [text for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize")) if text.get_text()]
    assert min(text.get_fontsize() for text in shown) >= 7
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    for axes in figure.axes:
        for text in (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label):
            extent = text.get_window_extent()
            assert not text.get_text() or (extent.x0 >= 0 and extent.x1 <= figure.bbox.x1)


@pytest.mark.parametrize("name", ["reconciliation", "reconciliation_lengths", "death"])
def test_the_same_tables_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    for copy in ("first", "second"):
        save_figure(ALL[name](), tmp_path / copy)
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()
