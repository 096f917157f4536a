"""The sharpness along full-batch runs that start on the path of gradient flow."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.analyses.edge import find_crossing
from asgd.analyses.make import make_analysis
from asgd.analyses.stability import find_threshold
from asgd.claims.second.e5_edge import settle
from asgd.errors import AsgdError
from asgd.settings.study import Params
from asgd.study.plan import Study, plan_study

SETTINGS = {"num_workers": [1, 3], "limit": 3.0, "flow_time": 6.0, "time": 1.5, "least_steps": 8, "points": 8}


def plan_edge(**settings: Any) -> Study:
    preset = {
        "data": {"source": "synthetic", "num_train": 40, "num_test": 20},
        "run": {"output_relu": False},
        "seeds": [4, 5],
        "subjects": {"edge": "all_at_once"},
        "experiments": {"all_at_once": {"batch_size": "full", "num_images": 20, "train_eval_images": 0}},
        "analyses": {"edge": {**SETTINGS, **settings}},
    }
    return plan_study(Params.model_validate({"preset": "tiny", "presets": {"tiny": preset}}), Path("data"))


def make_edge(study: Study, **about: Any) -> pd.DataFrame:
    make_analysis(study.describe_analysis("edge"), {}, {"edge": "edge.csv"}, **about)
    return pd.read_csv("edge.csv")


def test_runs_start_at_half_the_limit_and_go_on_with_the_rate_of_their_delay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: list[str] = []
    table = make_edge(plan_edge(), report=names.extend)
    assert len({*names}) == 2 + 4
    assert table.groupby(["num_workers", "seed"]).size().tolist() == [9] * 4
    for (m, _), run in table.groupby(["num_workers", "seed"]):
        assert run["learning_rate"].unique().tolist() == [pytest.approx(find_threshold(int(m)) / 3)]
        steps = max(8, round(4.5 / find_threshold(int(m))))
        assert run["step"].tolist() == [round(steps * k / 8) for k in range(9)]
    starts = table[table["step"] == 0]
    # Found between two measurements of a flow at another rate, where the sharpness rises fast: near half the limit.
    assert starts["stability"].between(0.3, 0.8).all()
    assert settle(table[table["num_workers"] == 3]).index.tolist() == [4, 5]


def test_a_flow_that_does_not_get_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AsgdError, match=r"the flow of seed 4 does not reach a sharpness of 50 in flow_time = 0\.4"):
        make_edge(plan_edge(limit=100.0, flow_time=0.4))


def test_a_crossing_lies_between_two_values_by_their_logarithm() -> None:
    assert find_crossing([0, 1, 2], [1.0, 4.0, 100.0], 2.0) == pytest.approx(0.5)
    assert find_crossing([0, 1, 2, 3], [-1.0, 1.0, math.nan, 4.0], 2.0) == pytest.approx(2)
    assert find_crossing([0, 1], [1.0, 2.0], 3.0) == math.inf
