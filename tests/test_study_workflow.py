"""The experiments beyond the paper's, through the workflow: on images, then again from the shipped tables alone."""

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

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

#: Modules that no rule names, and which rules make something by them: the last one is of probes alone.
DECIDING = {
    "analyses/stability/thresholds.py": {"analyse_sharpness", "analyse_death", "analyse_phase_map"},
    "analyses/death/autopsy.py": {"analyse_death"},
    "tables/arms.py": {"analyse_death", "judge_claims", "analyse_phase_map"},
    "tables/statistics.py": {"analyse_death", "analyse_phase_map"},
    "simulator/probes/sharpness.py": {"analyse_sharpness", "analyse_death"},
}
#: Settings of the analyses, and the rule that each is for.
SETTINGS: list[tuple[str, str, Any, str]] = [
    ("sharpness", "num_images", 20, "analyse_sharpness"),
    ("sharpness", "epochs", [0, 2], "analyse_sharpness"),
    ("death", "num_probes", 10, "analyse_death"),
    ("death", "survey_probes", 10, "analyse_death"),
]


def edit_in_secret(file: Path, text: str) -> None:
    """Replace a file's contents and keep its times."""
    before = file.stat()
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def with_analyses(params: dict[str, Any], analyses: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(params)
    changed["presets"]["tiny"]["analyses"] = analyses
    return changed


def check_that_edits_are_noticed(project: Project) -> None:
    params = project.folder / "params.yaml"
    before = yaml.safe_load(params.read_text())
    for analysis, key, value, rule in SETTINGS:
        project.write_params(with_analyses(before, {analysis: {key: value}}))
        planned = set(project.planned_jobs())
        assert planned & {"train_run", "aggregate_runs", "analyse_sharpness", "analyse_death"} == {rule}
    project.write_params(before)
    for name, rules in DECIDING.items():
        module = project.folder / "src/asgd" / name
        source = module.read_text()
        edit_in_secret(module, source + "\nEDITED = True\n")
        planned = set(project.planned_jobs())
        assert rules <= planned, name
        assert "train_run" not in planned
        edit_in_secret(module, source)
    assert project.planned_jobs() == {}


def check_that_other_analyses_are_not_taken_for_the_shipped_ones(project: Project, params: dict[str, Any]) -> None:
    project.write_params(with_analyses(params, {"death": {"num_probes": 10}}))
    project.snakemake("--dry-run")
    done = project.run("snakemake", "--cores", "1", "-n", "--config", "shipped=True", "pdf=False")
    assert "analyses.death.settings.num_probes was 240 and is 10 now" in done.stdout
    project.write_params(params)


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
    assert json.loads((results / "tables/map_summary.json").read_text())["pairs"] == 4
    assert project.planned_jobs() == {}
    check_that_edits_are_noticed(project)

    before = (results / "figures/death.png").read_bytes()
    shutil.rmtree(tmp_path / "data")
    assert project.planned_jobs() == {}, "the tables are there: nobody needs the images"
    check_that_other_analyses_are_not_taken_for_the_shipped_ones(project, params)
    shutil.rmtree(tmp_path / "results/runs")
    shutil.rmtree(results / "figures")
    project.snakemake("shipped=True", "--forceall")
    assert {path.name for path in (results / "figures").iterdir()} == made
    assert (results / "figures/death.png").read_bytes() == before
