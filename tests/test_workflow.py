"""Snakemake as users meet it: what runs again after which change, on a tiny study that really trains."""

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import ROOT, TINY, TINY_RUNS, Project, read_plan


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study that has run to its end."""
    project = Project(tmp_path_factory.mktemp("project"), TINY)
    (project.folder / "results").mkdir()
    shutil.copy(ROOT / "results/benchmark.json", project.folder / "results")
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


def rewrite(file: Path, edit: Callable[[str], str]) -> None:
    """Edit a file and give it its old times again, as `cp -p` of another would."""
    before = file.stat()
    file.write_text(edit(file.read_text()))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def planned_rules(project: Project, *arguments: str) -> set[str]:
    """The rules of which a dry run would run jobs."""
    return {rule for rule in project.planned_jobs(*arguments) if rule != "tables"}


def contents(folder: Path) -> dict[str, bytes]:
    """All that was made of a study; study.json is what was planned last, by a dry run too."""
    planned = folder / "study.json"
    files = [path for path in folder.rglob("*") if path.is_file() and ".made" not in path.parts and path != planned]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


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


@pytest.mark.parametrize("cores", ["1", "2", "4"])
def test_with_other_cores_only_what_lacks_is_trained(finished: Project, tmp_path: Path, cores: str) -> None:
    """As after a job that was killed when some of its runs were done: another number of cores cuts other jobs."""
    project = finished.copy_to(tmp_path / "copy")
    runs = sorted((project.folder / "results/runs").iterdir())
    before = {run.name: (run / "run.json").read_bytes() for run in runs}
    for run in runs[1:4]:
        shutil.rmtree(run)
        shutil.rmtree(project.folder / "results/kept" / run.name)
    plan = project.snakemake("--cores", cores, "--dry-run")
    assert read_plan(plan)["train_run"] == 3
    assert plan.count("Training runs: ") == min(int(cores), 3)
    project.snakemake("--cores", cores, "--", "tables")
    after = {run.name: (run / "run.json").read_bytes() for run in runs}
    assert {run.name for run in runs[1:4]} == {name for name in before if after[name] != before[name]}


@pytest.mark.parametrize("number", ["1", "2", "5"])
def test_a_number_of_runs_a_job_can_be_forced(project: Project, number: str) -> None:
    project.write_params(changed(learning_rate=0.02))
    plan = project.snakemake(f"runs_per_job={number}", "--dry-run")
    assert plan.count("Training runs: ") == -(-TINY_RUNS // int(number))


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


TABLES = ("shipped=True", "--", "tables")


@pytest.mark.parametrize(("restore", "records"), [(shutil.copyfile, True), (shutil.copy2, False)])
def test_going_back_to_other_margins_serves_no_stale_verdict(
    finished: Project, tmp_path: Path, restore: Callable[[Path, Path], object], records: bool
) -> None:
    """``records``: whether Snakemake's own are there."""
    project = finished.copy_to(tmp_path / "copy")
    params, results = project.folder / "params.yaml", project.folder / "results/tiny"
    before = contents(results)
    saved = tmp_path / "params.yaml"
    shutil.copy2(params, saved)
    if not records:
        shutil.rmtree(project.folder / ".snakemake")
    project.write_params({**TINY, "claims": {"slow_workers": [1, 2], "gap_points": [0.5, 4.0]}})
    project.snakemake(*TABLES)
    changed_files = {name for name, content in contents(results).items() if content != before[name]}
    assert {"claims.json", "tables/numbers.tex"} <= changed_files
    if not records:
        shutil.rmtree(project.folder / ".snakemake")
    restore(saved, params)
    project.snakemake(*TABLES)
    assert contents(results) == before
    assert "Nothing to be done" in project.snakemake(*TABLES)


#: Modules that no rule named before their closures were computed, and one for every rule of the tiny study.
DECIDING = {
    "tables/dvc_curves.py": "aggregate_runs",
    "tables/environment.py": "aggregate_runs",
    "claims/verdict.py": "judge_claims",
    "tables/files.py": "plot_figure",
    "settings/study.py": "build_tables",
    "study/shipped.py": "record_checksums",
}


@pytest.mark.parametrize("module", DECIDING)
def test_an_edit_of_any_module_that_a_script_imports_runs_it_again(project: Project, module: str) -> None:
    rewrite(project.folder / "src/asgd" / module, lambda text: text + "\nEDITED = True\n")
    rules = planned_rules(project)
    assert DECIDING[module] in rules
    assert "train_run" not in rules
    rewrite(project.folder / "src/asgd" / module, lambda text: text.replace("EDITED = True", "# a remark"))
    assert planned_rules(project) == set()


def test_a_source_that_is_taken_back_with_its_old_time_makes_the_old_product_again(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy_to(tmp_path / "copy")
    page, module = project.folder / "results/tiny/claims.html", project.folder / "src/asgd/report/page.py"
    before, results = page.read_bytes(), contents(page.parent)
    saved = shutil.copy2(module, tmp_path / "page.py")
    append(module, "\nmake_claims_page = lambda *_: 'edited'\n")
    project.snakemake()
    assert page.read_bytes() == b"edited"
    shutil.copy2(saved, module)
    project.snakemake()
    assert page.read_bytes() == before
    assert contents(page.parent) == results
    assert planned_rules(project) == set()


#: A file edited behind the workflow's back, with its old time, and the rule that must notice.
EDITS: dict[str, tuple[str, Callable[[str], str], str, tuple[str, ...]]] = {
    "a run": ("results/runs/m2-b0.9-*/metrics.csv", lambda text: text + "\n", "aggregate_runs", ()),
    "a table": ("results/tiny/tables/runs.csv", lambda text: text + " ", "aggregate_runs", ()),
    "a verdict": ("results/tiny/claims.json", lambda text: text + " ", "judge_claims", ()),
    "the style": ("report/asgd.mplstyle", lambda text: text + "\n# thin\n", "plot_figure", ()),
    "a table of the report": ("results/tiny/tables/numbers.tex", lambda text: text + " ", "build_tables", ()),
    "a template": ("report/templates/claims.html.j2", lambda text: text + " ", "judge_claims", ()),
    "the look of the explorer": ("report/templates/explorer.css", lambda text: text + " ", "build_explorer", ()),
    "a sentence": ("report/templates/sentences.txt.j2", lambda text: text + " ", "build_tables", ()),
    "the benchmark": ("results/benchmark.json", lambda text: text + " ", "build_tables", ()),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_noticed_whatever_the_time_of_the_file(finished: Project, tmp_path: Path, name: str) -> None:
    pattern, edit, rule, arguments = EDITS[name]
    project = finished.copy_to(tmp_path / "copy")
    (file,) = project.folder.glob(pattern)
    before = file.read_text()
    rewrite(file, edit)
    rules = planned_rules(project, *arguments)
    assert rule in rules
    assert "train_run" not in rules
    rewrite(file, lambda _: before)
    assert planned_rules(project, *arguments) == set()


def test_an_edited_table_is_not_taken_for_shipped(finished: Project, tmp_path: Path) -> None:
    """Else what is made from it would get new checksums, and the table with it."""
    project = finished.copy_to(tmp_path / "copy")
    table = project.folder / "results/tiny/tables/environment.json"
    rewrite(table, lambda text: text + " ")
    done = project.run("snakemake", "--cores", "1", "--config", "pdf=False", *TABLES)
    assert done.returncode != 0
    assert "tables/environment.json: not the table that results/tiny/checksums.json records" in done.stdout


def test_a_copy_whose_times_are_all_others_has_nothing_to_do(finished: Project, tmp_path: Path) -> None:
    """As after `cp -r`, and in a clone of git's."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".snakemake"))
    project = copy.copy(finished)
    project.folder = folder
    for path in (folder / "results/tiny/tables").iterdir():
        os.utime(path)  # newer than all that is made from them
    assert planned_rules(project) == set()
    assert "Nothing to be done" in project.snakemake()


def test_a_rule_named_by_the_user_runs_again_with_all_that_follows(project: Project) -> None:
    jobs = project.planned_jobs("--forcerun", "judge_claims")
    assert {"judge_claims", "build_explorer", "build_tables", "record_checksums"} == set(jobs)


@pytest.mark.skipif(not shutil.which("latexmk"), reason="skipped: no TeX here")
def test_the_report_is_compiled_again_where_its_text_changed_and_stays_listed_without_tex(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy_to(tmp_path / "copy")
    for command in ([], ["--config", "pdf=False"]):
        done = project.run("snakemake", "--cores", "2", *command)
        assert done.returncode == 0, done.stdout
        assert "report.pdf" in json.loads((project.folder / "results/tiny/checksums.json").read_text())["files"]
    rewrite(project.folder / "report/references.bib", lambda text: text + "\n")
    assert "build_report" in project.run("snakemake", "-n").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "presett=paper"], "--config: unknown key 'presett'; keys allowed here are preset, params, pdf"),
        (["--config", "pdf=nope"], "--config: pdf = 'nope': Input should be a valid boolean"),
        (["--config", "preset=large"], "preset 'large' does not exist; the presets are tiny"),
    ],
)
def test_a_wrong_option_is_one_clear_error(project: Project, arguments: list[str], message: str) -> None:
    done = project.run("snakemake", "--cores", "1", "-n", *arguments)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout
