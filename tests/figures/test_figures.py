"""The figures draw the arms and labels that they should, and the same data give the same bytes."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from asgd.errors import AsgdError
from asgd.figures.style import category_style, ordered_styles, save_figure, use_style
from asgd.tables.experiments import select_experiment
from asgd.tables.files import read_table
from asgd.tables.table import Tables
from tests.example_tables import VARIANTS, bundle, draw, list_runs, make_tables

PROJECT = Path(__file__).parents[2]
FEW, MANY = make_tables(num_seeds=2), make_tables(num_seeds=4)
KINDS = ["no momentum", "server PyTorch", "server EMA", "worker PyTorch", "worker EMA"]
CURVE_FIGURES = {
    "figure1_delay": "delay",
    "figure1_real_time": "delay",
    "figure2_momentum": "momentum",
    "figure3_dropout": "dropout",
}


@pytest.fixture(autouse=True)
def project_style() -> None:
    use_style(PROJECT / "report" / "asgd.mplstyle")


def drawn_arms(axes: Axes) -> list[str]:
    """The arms whose mean is drawn, in order: their lines carry the arm's name."""
    known = set(MANY["arms"]["arm"])
    return [str(line.get_gid()) for line in axes.lines if line.get_gid() in known]


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def arms_of(tables: Tables, experiment: str) -> list[str]:
    return list(select_experiment(tables["arms"], experiment)["arm"])


def test_figure1_draws_each_m_in_both_panels() -> None:
    figure = draw("figure1_delay", MANY, "delay")
    loss, accuracy = figure.axes
    assert drawn_arms(loss) == drawn_arms(accuracy) == arms_of(MANY, "delay")
    assert legend_texts(figure)[:4] == ["m = 1", "m = 10", "m = 30", "m = 100"]
    assert loss.get_ylabel() == "(a) training loss"
    assert accuracy.get_ylabel() == "(b) test accuracy"
    assert loss.get_xlabel() == "total compute (server steps)"
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"ln 10", "chance"}


def test_a_curve_is_the_mean_of_its_arm() -> None:
    accuracy = draw("figure1_delay", MANY, "delay").axes[1]
    arm = arms_of(MANY, "delay")[1]
    line = next(line for line in accuracy.lines if line.get_gid() == arm)
    runs = MANY["evaluations"][MANY["evaluations"]["arm"] == arm]
    means = runs.groupby("step")["test_accuracy"].mean()
    assert list(line.get_xdata()) == list(means.index)
    assert list(line.get_ydata()) == pytest.approx(list(means))


def test_real_time_is_steps_divided_by_m() -> None:
    figure = draw("figure1_real_time", MANY, "delay")
    ends = {line.get_gid(): max(line.get_xdata()) for line in figure.axes[0].lines if line.get_gid()}
    assert [ends[arm] for arm in arms_of(MANY, "delay")] == pytest.approx([3000, 300, 100, 30])
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_xlabel() == "real time (server steps / m)"


@pytest.mark.parametrize("workers", [(1, 10, 30, 100), (1, 10, 20, 30, 50, 70, 100)])
def test_figure2_has_a_panel_for_each_m_and_a_curve_for_each_kind(workers: tuple[int, ...]) -> None:
    figure = draw("figure2_momentum", make_tables(workers, num_seeds=2), "momentum")
    assert [axes.get_title() for axes in figure.axes] == [f"m = {m}" for m in workers] * 2
    arms = {line.get_gid() for axes in figure.axes for line in axes.lines if len(str(line.get_gid())) == 8}
    assert len(arms) == len(workers) * len(VARIANTS)
    assert legend_texts(figure)[:5] == KINDS


def test_figure2_curves_differ_in_colour_marker_and_dash() -> None:
    lines = draw("figure2_momentum", FEW, "momentum").legends[0].get_lines()[:5]
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 5
    assert len({str(category_style(index).dash) for index in range(5)}) == 5
    assert lines[0].is_dashed() is False
    assert all(line.is_dashed() for line in lines[1:])


def test_figure3_draws_each_dropout_rate_at_one_worker() -> None:
    figure = draw("figure3_dropout", MANY, "dropout")
    assert drawn_arms(figure.axes[0]) == arms_of(MANY, "dropout")
    assert legend_texts(figure)[:3] == ["p = 0", "p = 0.2", "p = 0.5"]


def test_further_differences_are_named_and_dashed() -> None:
    fast = MANY["arms"].assign(arm="f" + MANY["arms"]["arm"].str[1:], learning_rate=0.02)
    curves = MANY["curves"].assign(arm="f" + MANY["curves"]["arm"].str[1:])
    tables = bundle(pd.concat([MANY["arms"], fast]), pd.concat([MANY["curves"], curves]), MANY["evaluations"])
    figure = draw("figure1_delay", tables, "delay")
    assert legend_texts(figure)[:2] == ["m = 1, rate = 0.01", "m = 1, rate = 0.02"]
    first, second = figure.legends[0].get_lines()[:2]
    assert first.get_linestyle() != second.get_linestyle()


@pytest.mark.parametrize(("name", "experiment"), CURVE_FIGURES.items())
def test_few_seeds_are_shown_as_runs_and_many_as_a_band(name: str, experiment: str) -> None:
    for tables, banded, said in (
        (FEW, False, "thin: individual runs, 2 seeds"),
        (MANY, True, "95 % interval of the mean, 4 seeds"),
    ):
        figure = draw(name, tables, experiment)
        axes = figure.axes[0]
        means = [line for line in axes.lines if len(str(line.get_gid())) == 8]
        runs = [line for line in axes.lines if line.get_linewidth() == 0.5]
        bands = [item for item in axes.collections if isinstance(item, PolyCollection)]
        assert legend_texts(figure)[-1] == said
        assert len(bands) == (len(means) if banded else 0)
        assert len(runs) == (0 if banded else 2 * len(means))


def test_a_loss_off_the_scale_is_cut_and_the_panel_says_so() -> None:
    curves = MANY["curves"].copy()
    curves.loc[curves["metric"] == "train_loss", ["mean", "ci_low", "ci_high"]] *= 50
    loss = draw("figure1_delay", bundle(MANY["arms"], curves, MANY["evaluations"]), "delay").axes[0]
    assert loss.get_ylim()[1] == 3.0
    assert "cut off above" in [text.get_text() for text in loss.texts]


def test_outcomes_count_the_seeds_of_every_arm_of_every_experiment() -> None:
    arms = MANY["arms"].assign(trained=1, plateau=2, dead=1, non_finite=0)
    figure = draw("outcomes", {"arms": arms, "runs": list_runs(arms)})
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "experiment delay",
        "experiment momentum",
        "experiment dropout",
    ]
    for axes, number in zip(figure.axes, (4, 20, 3), strict=True):
        assert [text.get_text() for text in axes.texts] == ["1", "2", "1"] * number
        assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(0.92 * number)
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == KINDS
    assert legend_texts(figure) == ["trained", "plateau", "dead", "non-finite"]


def test_outcomes_of_settings_that_go_together_are_a_list() -> None:
    """With and without momentum, which has a kind: a grid would be empty but for its diagonal."""
    kinds = MANY["arms"].query("experiments.str.contains('momentum') and num_workers == 1")
    both = pd.concat([kinds[kinds["momentum"] == 0], kinds[kinds["momentum"] > 0].iloc[-1:]])
    both = both.assign(experiments="rescue", trained=4, plateau=0, dead=0, non_finite=0)
    (axes,) = draw("outcomes", {"arms": both, "runs": list_runs(both)}).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [""]
    assert len(axes.get_yticklabels()) == 2


def test_outcomes_that_do_not_fit_a_page_are_left_out() -> None:
    arms = MANY["arms"].assign(trained=4, plateau=0, dead=0, non_finite=0)
    copies = [arms.assign(arm=f"{number}-" + arms["arm"], experiments=f"copy{number}") for number in range(20)]
    all_arms = pd.concat(copies, ignore_index=True)
    figure = draw("outcomes", {"arms": all_arms, "runs": list_runs(all_arms)})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"experiment copy{number}" for number in range(len(titles))]
    assert 1 < len(titles) < 20
    assert figure.get_figheight() < 9


def test_lightness_orders_the_workers_without_colour() -> None:
    styles = ordered_styles([100, 1, 2, 5, 10, 20, 30, 50, 70])
    lightness = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b, _ in (style.colour for style in styles.values())]
    assert list(styles) == [1, 2, 5, 10, 20, 30, 50, 70, 100]
    assert lightness == sorted(lightness)
    assert len({style.marker for style in styles.values()}) == 9


def test_text_is_at_least_seven_points() -> None:
    for name, experiment in CURVE_FIGURES.items():
        figure = draw(name, FEW, experiment)
        sizes = [text.get_fontsize() for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))]
        assert min(sizes) >= 7


def test_same_data_give_the_same_bytes_with_embedded_fonts(tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_figure(draw("figure1_delay", make_tables((1, 10), 2, (0.0,)), "delay"), tmp_path / name)
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()
    pdf = (tmp_path / "first.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"CreationDate" not in pdf
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.pdf", "first.png", "second.pdf", "second.png"]


def test_a_png_has_few_colours_on_white(tmp_path: Path) -> None:
    save_figure(draw("figure1_delay", make_tables((1, 10), 2, (0.0,)), "delay"), tmp_path / "figure")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)


@pytest.mark.parametrize(("name", "experiment"), CURVE_FIGURES.items())
def test_a_missing_experiment_is_named(name: str, experiment: str) -> None:
    arms = MANY["arms"].assign(experiments="other")
    with pytest.raises(AsgdError, match=f"experiment '{experiment}' has no arms; experiments are other"):
        draw(name, bundle(arms, MANY["curves"], MANY["evaluations"]), experiment)


def test_dropout_without_one_worker_is_an_error() -> None:
    arms = MANY["arms"].assign(num_workers=10)
    with pytest.raises(AsgdError, match="no arm at m = 1"):
        draw("figure3_dropout", bundle(arms, MANY["curves"], MANY["evaluations"]), "dropout")


def test_an_arm_name_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "arms.csv"
    path.write_text("arm,n_runs\n12345678,2\n1e234567,2\n")
    assert list(read_table(path)["arm"]) == ["12345678", "1e234567"]


def test_bad_tables_and_styles_are_named(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match=r"none\.csv: cannot be read"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "arms.csv").write_text("name\nx\n")
    with pytest.raises(AsgdError, match=r"arms\.csv: has no column arm"):
        read_table(tmp_path / "arms.csv")
    with pytest.raises(AsgdError, match=r"none\.mplstyle: the style file is missing"):
        use_style(tmp_path / "none.mplstyle")
