"""The experiments beyond the paper's, through the workflow: on images, then again from the shipped tables alone."""

import copy
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline import TINY, Project

EXPERIMENTS = {
    "map": {
        "learning_rate": [0.01, 0.3],
        "num_workers": [1, 5],
        "variants": [{"momentum": 0.0}, {"momentum": 0.9}],
        "epochs": 3,
    },
    "readings": {"num_workers": [5], "output_relu": [True, False], "learning_rate": 0.3},
    "regulariser": {"variants": [{"num_workers": 5}, {"dropout": 0.5}]},
}
MARGINS = {"slow_workers": [1, 5], "gap_workers": [1, 5], "fail_workers": 5, "some_fail_workers": 5}
FIGURES = ("phase_map", "sharpness", "reconciliation", "readings", "death", "regulariser", "outcomes")


@pytest.mark.slow
def test_the_further_experiments_are_analysed_and_drawn_again_without_images(tmp_path: Path) -> None:
    params = copy.deepcopy(TINY) | {"claims": MARGINS}
    params["presets"]["tiny"]["experiments"] = EXPERIMENTS
    project = Project(tmp_path, params)
    project.snakemake()
    results = tmp_path / "results/tiny"
    made = {path.name for path in (results / "figures").iterdir()}
    assert made == {f"{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png")}
    assert len(pd.read_csv(results / "tables/map.csv")) == 2 * 2 * 2
    assert len(pd.read_csv(results / "tables/map_pairs.csv")) == 2 * 2
    assert pd.read_csv(results / "tables/sharpness.csv")["num_workers"].unique().tolist() == [1]
    assert set(pd.read_csv(results / "tables/death.csv")["num_workers"]) == {5}
    assert "Of 4 pairs" in json.loads((results / "tables/map_summary.json").read_text())["reconciliation"]
    assert project.planned_jobs() == {}

    before = (results / "figures/death.png").read_bytes()
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(tmp_path / "results/runs")
    shutil.rmtree(results / "figures")
    project.snakemake("shipped=True", "--forceall")
    assert {path.name for path in (results / "figures").iterdir()} == made
    assert (results / "figures/death.png").read_bytes() == before
