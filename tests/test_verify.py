"""Shipped results: what `asgd verify` finds, by name, and what can be redrawn from tables alone."""

import copy
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.cli import main
from asgd.config import load_params
from asgd.verify import Check, verify_results
from tests.pipeline import TINY, Project

#: Two arms of one seed, by the engine that needs no compiling.
SMALL: dict[str, Any] = copy.deepcopy(TINY)
SMALL["presets"]["tiny"]["run"]["engine"] = "reference"
SMALL["presets"]["tiny"]["experiments"] = {"delay": {"num_workers": [1, 2]}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study that has run to its end."""
    project = Project(tmp_path_factory.mktemp("finished"), SMALL)
    project.snakemake()
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished study, for a test to spoil."""
    copied = copy.copy(finished)
    copied.folder = tmp_path / "project"
    shutil.copytree(finished.folder, copied.folder)
    return copied


@pytest.fixture
def clone(project: Project) -> Project:
    """As after `git clone`: what git ignores is not there."""
    for name in ("results/runs", "data", "logs", ".snakemake"):
        shutil.rmtree(project.folder / name)
    return project


def verify(project: Project) -> dict[str, Check]:
    params = load_params(project.folder / "params.yaml")
    checks = verify_results(params, project.folder / "results", project.folder / "data")
    return {check.name: check for check in checks}


def find_faults(project: Project) -> dict[str, str]:
    """The faults of the checks that found some, as text."""
    return {name: "\n".join(check.faults) for name, check in verify(project).items() if check.faults}


def hash_results(project: Project) -> dict[str, str]:
    files = [path for path in (project.folder / "results/tiny").rglob("*") if path.is_file()]
    return {str(path.relative_to(project.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def find_run(project: Project, label: str) -> Path:
    (folder,) = (project.folder / "results/runs").glob(f"{label}-lr*")
    return folder


def set_json(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def changed(**run: Any) -> dict[str, Any]:
    params = copy.deepcopy(SMALL)
    params["presets"]["tiny"]["run"] |= run
    return params


def test_finished_results_match_in_every_respect(finished: Project) -> None:
    checks = verify(finished)
    assert not [check for check in checks.values() if check.faults or check.skipped]
    assert checks["runs"].note.startswith("2 of 2 runs")


def test_a_clone_matches_and_what_it_lacks_is_said_to_be_left_out(clone: Project) -> None:
    checks = verify(clone)
    assert not [check for check in checks.values() if check.faults]
    assert [name for name, check in checks.items() if check.skipped] == ["runs", "tables of runs", "images"]


def test_a_truncated_curve_is_found(project: Project) -> None:
    metrics = find_run(project, "m2") / "metrics.csv"
    metrics.write_text(metrics.read_text().rpartition("\n")[0].rpartition("\n")[0] + "\n")
    assert f"{metrics}: truncated or edited" in find_faults(project)["runs"]


def test_an_edited_curve_is_found(project: Project) -> None:
    metrics = find_run(project, "m1") / "metrics.csv"
    frame = pd.read_csv(metrics)
    frame.loc[1, "test_accuracy"] = 0.99
    frame.to_csv(metrics, index=False)
    faults = find_faults(project)
    assert f"{metrics}: truncated or edited" in faults["runs"]
    assert set(faults) == {"runs", "tables of runs"}, "what is shipped was made before"


def test_the_record_of_another_configuration_is_found(project: Project) -> None:
    record = find_run(project, "m1") / "run.json"
    shutil.copy(find_run(project, "m2") / "run.json", record)
    assert f"{record}: is that of another run, m2-" in find_faults(project)["runs"]


def test_a_record_with_another_configuration_under_its_own_name_is_found(project: Project) -> None:
    record = find_run(project, "m1") / "run.json"
    set_json(record, lambda value: value["config"].update(learning_rate=0.5))
    assert f"{record}: its configuration, data and sources are those of m1-lr0.5-" in find_faults(project)["runs"]


def test_an_edited_table_is_found(project: Project) -> None:
    runs = project.folder / "results/tiny/tables/runs.csv"
    runs.write_text(runs.read_text().replace(",reference,cpu,", ",reference,cuda,", 1))
    faults = find_faults(project)
    assert faults["files"] == "tables/runs.csv: changed"
    assert faults["tables of runs"] == "tables/runs.csv: not what the runs give"


def test_a_run_under_another_setting_than_its_name_is_found(clone: Project) -> None:
    runs = clone.folder / "results/tiny/tables/runs.csv"
    frame = pd.read_csv(runs, dtype={"arm": str})
    frame.loc[1, "learning_rate"] = 0.02
    frame.to_csv(runs, index=False)
    assert f"give another name: {frame.loc[1, 'run']}" in find_faults(clone)["run names"]


def test_a_lost_row_is_found(clone: Project) -> None:
    runs = clone.folder / "results/tiny/tables/runs.csv"
    lost = runs.read_text().splitlines()[-1].partition(",")[0]
    runs.write_text("\n".join(runs.read_text().splitlines()[:-1]) + "\n")
    faults = find_faults(clone)["run names"]
    assert f"not in runs.csv: {lost}" in faults
    assert f"in evaluations.csv, but not in runs.csv: {lost}" in faults


def test_a_changed_margin_is_found_with_the_claims_that_it_changes(clone: Project) -> None:
    clone.write_params({**SMALL, "claims": {"slow_workers": [1, 2]}})
    faults = find_faults(clone)
    assert faults["configuration"] == "claims.slow_workers was [1, 10, 20, 30] and is [1, 2] now"
    assert "claims.json: C1" in faults["claims"]
    assert "tables" not in faults, "they do not depend on it"


def test_a_changed_setting_is_found_with_the_runs_that_it_changes(clone: Project) -> None:
    clone.write_params(changed(learning_rate=0.02))
    faults = find_faults(clone)
    assert "run.learning_rate was 0.01 and is 0.02 now" in faults["configuration"]
    assert "experiments.delay: 2 runs fewer (m1-lr0.01-seed0-" in faults["tables"]
    assert "2 runs more (m1-lr0.02-seed0-" in faults["tables"]


def test_changed_sources_are_found(clone: Project) -> None:
    server = clone.folder / "src/asgd/simulator/server.py"
    server.write_text(server.read_text() + "\nEDITED = True\n")
    done = clone.run("env", "PYTHONPATH=src", sys.executable, "-m", "asgd", "verify")
    assert done.returncode == 1
    assert "experiments.delay: 2 runs by other sources, data or settings (m1-lr0.01-seed0-" in done.stdout
    assert "other sources or data made all 2 runs of reference: m1-lr0.01-seed0-" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("asgd: error: results: does not match: tiny (configuration), tiny (")


def test_other_data_are_found(clone: Project) -> None:
    params = copy.deepcopy(SMALL)
    params["presets"]["tiny"]["data"]["seed"] = 1
    clone.write_params(params)
    faults = find_faults(clone)
    assert "data.seed was 0 and is 1 now" in faults["configuration"]
    assert "other sources or data made all 2 runs" in faults["run names"]


def test_changed_images_are_found(project: Project) -> None:
    (folder,) = (project.folder / "data").glob("synthetic-*")
    images = folder / "test_images.npy"
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.write_bytes(content)
    assert "the arrays have changed since they were prepared" in find_faults(project)["images"]


def test_images_prepared_otherwise_than_those_of_the_runs_are_found(project: Project) -> None:
    set_json(project.folder / "results/tiny/tables/environment.json", lambda value: value.update(data_content="0" * 64))
    assert "not the images that the runs saw" in find_faults(project)["images"]


def test_missing_changed_and_foreign_files_are_found(clone: Project) -> None:
    figures = clone.folder / "results/tiny/figures"
    (figures / "outcomes.pdf").unlink()
    (figures / "outcomes.png").write_bytes(b"")
    (figures / "figure7.png").write_bytes(b"")
    assert find_faults(clone) == {
        "files": "figures/outcomes.pdf: missing\nfigures/outcomes.png: changed\n"
        "figures/figure7.png: not made with the others"
    }


def test_an_edited_verdict_is_found(clone: Project) -> None:
    results = clone.folder / "results/tiny"
    set_json(results / "claims.json", lambda value: value["verdicts"][0].update(verdict="reproduced"))
    set_json(results / "metrics.json", lambda value: value.update(accuracy_m1=0.99))
    faults = find_faults(clone)
    assert 'claims.json: C1.verdict is "reproduced", should be "not applicable"' in faults["claims"]
    assert "metrics.json: accuracy_m1 is 0.99, should be 0." in faults["claims"]
    assert faults["files"] == "claims.json: changed\nmetrics.json: changed"


def test_damaged_files_are_mismatches_and_the_other_checks_go_on(clone: Project) -> None:
    tables = clone.folder / "results/tiny/tables"
    (tables / "runs.csv").write_text("")
    (tables / "study.json").write_text("[]")
    faults = find_faults(clone)
    assert {"tables", "run names", "files", "claims"} <= set(faults)
    assert "configuration" not in faults


def test_the_command_says_what_matches_and_ends_with_its_status(
    clone: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone.folder)
    assert main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "results/tiny"
    assert len(lines) == 9
    (clone.folder / "results/tiny/figures/outcomes.png").unlink()
    assert main(["verify", "--preset", "tiny"]) == 1
    output = capsys.readouterr()
    assert "* figures/outcomes.png: missing" in output.out
    assert output.err.startswith("asgd: error: results: does not match: tiny (files)")
    shutil.rmtree(clone.folder / "results")
    assert main(["verify"]) == 1
    assert "no results of any preset" in capsys.readouterr().err


def test_a_clone_redraws_everything_from_its_tables_and_trains_nothing(clone: Project) -> None:
    before = hash_results(clone)
    for name in ("figures/outcomes.png", "figures/figure1_delay.pdf", "tables/numbers.tex", "claims.json"):
        (clone.folder / "results/tiny" / name).unlink()
    output = clone.snakemake("shipped=True", "--forceall")
    assert "plot_figure" in output
    assert not [rule for rule in ("train_run", "prepare_data", "aggregate_runs", "compile_engine") if rule in output]
    assert hash_results(clone) == before
    assert not (clone.folder / "results/runs").exists()
    assert not (clone.folder / "data").exists()


def test_a_changed_margin_is_judged_from_shipped_tables(clone: Project) -> None:
    clone.write_params({**SMALL, "claims": {"slow_workers": [1, 2]}})
    clone.snakemake("shipped=True", "--forceall")
    assert find_faults(clone) == {}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda clone: clone.write_params(changed(learning_rate=0.02)),
            "results/tiny/tables/study.json: the shipped tables are of another study: experiments.delay: 2 runs fewer",
        ),
        (
            lambda clone: shutil.rmtree(clone.folder / "results"),
            "results/tiny/tables/study.json: missing, so there are no shipped tables of this preset",
        ),
    ],
)
def test_tables_of_another_study_are_not_drawn(clone: Project, spoil: Callable[[Project], None], message: str) -> None:
    spoil(clone)
    before = hash_results(clone)
    done = clone.run("snakemake", "--cores", "1", "--config", "shipped=True")
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert hash_results(clone) == before
