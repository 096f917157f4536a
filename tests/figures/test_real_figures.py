"""The figures about real workers: they show what the runs recorded."""

import json
from pathlib import Path

import pandas as pd
import pytest

from asgd.figures.style import use_style
from tests.example_tables import draw


@pytest.fixture(autouse=True)
def project_style() -> None:
    use_style(Path(__file__).parents[2] / "report" / "asgd.mplstyle")


def make_tables(identical: bool = True) -> dict[str, pd.DataFrame]:
    """Two networks, two numbers of workers: real runs and their replays."""
    rows, curves = [], []
    for network, speed in (("paper", 100.0), ("resnet8", 4.0)):
        for m in (2, 4):
            for execution in ("real", "replayed"):
                real = execution == "real"
                about = {"run": f"{network}{m}{execution}", "experiments": "workers", "execution": execution}
                settings = {"num_workers": m, "network": network, "momentum": 0.0, "total_steps": 100}
                settings["batch_size"] = 4 if network == "paper" else 128
                counts = json.dumps({str(m - 1): 90, str(m): 10}) if real else None
                measured = {"training_seconds": 100 / (speed * m) if real else None, "server_share": 0.1 * m}
                rows.append(
                    {**about, **settings, **measured, "staleness_counts": counts, "replayed_identical": identical}
                )
                for epoch, accuracy in ((0.0, 0.1), (1.0, 0.1 * m)):
                    places = {"epoch": epoch, "step": 100 * epoch, "gradients": 100 * epoch, "time": epoch}
                    curves.append({"run": about["run"], **places, "test_accuracy": accuracy})
    return {"runs": pd.DataFrame(rows), "evaluations": pd.DataFrame(curves)}


def test_one_network_alone_has_no_name() -> None:
    tables = make_tables()
    one = {**tables, "runs": tables["runs"].query("network == 'paper'")}
    figure = draw("real_replayed", one, "workers")
    assert (figure.axes[0].get_ylabel(), figure.get_supylabel()) == ("", "test accuracy")


def test_staleness_is_drawn_as_shares_beside_the_two_schedules() -> None:
    figure = draw("real_staleness", make_tables(), "workers")
    assert len(figure.axes) == 4
    heights = [bar.get_height() for bar in figure.axes[1].patches]  # m = 4
    assert heights[3:5] == [0.9, 0.1]
    assert sum(heights) == pytest.approx(1)
    geometric = figure.axes[1].lines[1].get_ydata()
    assert list(geometric[:2]) == [0.25, 0.1875]
    assert "mean 3.10" in figure.axes[1].texts[0].get_text()


def test_speed_is_relative_to_the_fewest_workers() -> None:
    figure = draw("real_speed", make_tables(), "workers")
    speed = figure.axes[0]
    means = [list(line.get_ydata()) for line in speed.lines if line.get_linestyle() != "None"]
    assert means == [[1, 2], pytest.approx([1, 2]), pytest.approx([1, 2])]  # ideal, and both networks
    labels = [text.get_text() for text in figure.legends[0].texts]
    speeds = ["200 per second with m = 2", "8 per second with m = 2"]
    assert [label.rpartition(": ")[2] for label in labels] == [*speeds, "ideal"]


@pytest.mark.parametrize("identical", [True, False])
def test_real_and_replayed_runs_share_their_panels_and_differences_are_said(identical: bool) -> None:
    figure = draw("real_replayed", make_tables(identical), "workers")
    assert len(figure.axes) == 4
    assert [[line.get_gid() for line in axes.lines[:2]] for axes in figure.axes] == [["real", "replayed"]] * 4
    assert [axes.get_ylabel().partition("\n")[0] for axes in figure.axes[::2]] == ["the paper's network", "ResNet-8"]
    assert figure.legends[0].texts[1].get_text().endswith("in 4 of 4" if identical else "in 0 of 4")
