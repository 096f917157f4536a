"""Snakemake as users meet it: what runs again after which change, on a tiny study that really trains."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import TINY, TINY_RUNS, Project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study that has run to its end."""
    project = Project(tmp_path_factory.mktemp("project"), TINY)
    project.snakemake()
    return project


@pytest.fixture
def project(finished: Project) -> Iterator[Project]:
    """The finished study; whatever a test changes is put back."""
    before = finished.folder.with_name("before")
    shutil.copytree(finished.folder / "src", before)
    yield finished
    finished.write_params(TINY)
    shutil.rmtree(finished.folder / "src")
    shutil.move(before, finished.folder / "src")


def changed(**run: Any) -> dict[str, Any]:
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"]["run"] |= run
    return params


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def test_everything_is_made_and_a_second_run_has_nothing_to_do(project: Project) -> None:
    results = project.folder / "results/tiny"
    made = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    figures = ("figure1_delay", "figure1_real_time", "figure2_momentum", "figure3_dropout", "outcomes")
    tables = ("runs", "evaluations", "arms", "curves")
    assert {f"figures/{name}.{suffix}" for name in figures for suffix in ("pdf", "png")} <= made
    assert {"claims.json", "metrics.json", *[f"tables/{name}.csv" for name in tables]} <= made
    assert len(list((project.folder / "results/runs").iterdir())) == TINY_RUNS
    assert "Nothing to be done" in project.snakemake()


def test_one_more_seed_trains_the_new_runs_only(project: Project) -> None:
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"]["seeds"] = [0, 1]
    project.write_params(params)
    jobs = project.planned_jobs()
    assert jobs["train_run"] == TINY_RUNS
    assert jobs["aggregate_runs"] == 1


def test_another_learning_rate_trains_and_going_back_does_nothing(project: Project) -> None:
    project.write_params(changed(learning_rate=0.02))
    assert project.planned_jobs()["train_run"] == TINY_RUNS
    project.write_params(TINY)
    assert project.planned_jobs() == {}


def test_two_ways_to_write_a_run_share_it(project: Project) -> None:
    project.write_params(changed(engine="fused", batch_size=4, output_relu=True))
    assert "train_run" not in project.planned_jobs()


def test_an_edit_of_a_script_runs_it_again(project: Project) -> None:
    script = project.folder / "workflow/scripts/judge_claims.py"
    before = shutil.copy2(script, project.folder / "before.py")
    append(script, "\nEDITED = True\n")
    jobs = project.planned_jobs()
    shutil.move(before, script)
    assert "judge_claims" in jobs
    assert not {"train_run", "aggregate_runs"} & set(jobs)


def test_only_what_depends_on_a_value_is_trained(project: Project) -> None:
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"]["experiments"]["dropout"]["dropout"] = [0.0, 0.3]
    project.write_params(params)
    assert project.planned_jobs()["train_run"] == 1


def test_a_changed_margin_judges_again_and_trains_nothing(project: Project) -> None:
    project.write_params({**TINY, "claims": {"equivalence_points": 3.0}})
    jobs = project.planned_jobs()
    assert "judge_claims" in jobs
    assert "train_run" not in jobs


def test_an_edit_of_a_training_source_trains_everything_anew(project: Project) -> None:
    append(project.folder / "src/asgd/simulator/simulate.py", "\nEDITED = True\n")
    assert project.planned_jobs()["train_run"] == TINY_RUNS


def test_a_comment_in_a_training_source_trains_nothing(project: Project) -> None:
    append(project.folder / "src/asgd/simulator/simulate.py", "\n# a remark\n")
    assert project.planned_jobs() == {}


def test_an_edit_of_the_plotting_plots_again_and_trains_nothing(project: Project) -> None:
    append(project.folder / "src/asgd/figures/style.py", "\nEDITED = True\n")
    jobs = project.planned_jobs()
    assert jobs["plot_figure"] == 5
    assert not {"train_run", "aggregate_runs", "judge_claims"} & set(jobs)


def test_without_snakemakes_records_a_changed_parameter_still_trains(project: Project) -> None:
    """As in a fresh clone, where Snakemake alone would accept the old results."""
    records = project.folder / ".snakemake"
    aside = records.rename(project.folder / "aside")
    try:
        assert project.planned_jobs() == {}
        shutil.rmtree(records)
        project.write_params(changed(epochs=3))
        assert project.planned_jobs()["train_run"] == TINY_RUNS
    finally:
        shutil.rmtree(records)
        aside.rename(records)


def test_a_run_is_recorded_with_its_configuration(project: Project) -> None:
    folders = list((project.folder / "results/runs").glob("m2-b0.9-*"))
    assert len(folders) == 1
    record = json.loads((folders[0] / "run.json").read_text())
    assert record["run"] == folders[0].name
    assert record["config"]["num_workers"] == 2
    assert record["last_step"] == record["total_steps"] == 20


@pytest.mark.parametrize("no", ["no", "0", "off"])
def test_no_pdf_is_asked_for_in_any_spelling(project: Project, no: str) -> None:
    done = project.run("snakemake", "--cores", "1", "-n", "--forceall", "--config", f"pdf={no}")
    assert done.returncode == 0, done.stdout
    assert "build_tables" in done.stdout
    assert "build_report" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "presett=paper"], "--config: unknown key 'presett'; keys allowed here are preset, params, pdf"),
        (["--config", "pdf=nope"], "--config: pdf = 'nope': Input should be a valid boolean"),
        (["--config", "preset=large"], "preset 'large' does not exist; presets are tiny"),
    ],
)
def test_a_wrong_option_is_one_clear_error(project: Project, arguments: list[str], message: str) -> None:
    done = project.run("snakemake", "--cores", "1", "-n", *arguments)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout
