"""Shipped results: what `asgd verify` finds, by name, and what can be redrawn from tables alone."""

import copy
import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.commands.cli import main
from asgd.commands.verify import INTERNAL_ERROR
from asgd.runs.archive import pack_runs
from asgd.runs.folder import list_files
from asgd.runs.pool import Pool
from asgd.settings.study import load_params
from asgd.simulator.fused.kernels import choose_kernels
from asgd.study.remake import Check
from asgd.study.shipped import write_checksums
from asgd.study.verify import format_check, verify_results
from tests.pipeline import TINY, Project
from tests.run_folders import render_run

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
    return remove_what_git_ignores(project)


def remove_what_git_ignores(project: Project) -> Project:
    for name in ("results/runs", "data", "logs", ".snakemake"):
        shutil.rmtree(project.folder / name)
    return project


def verify(project: Project, without: Sequence[str] = ("figures",)) -> dict[str, Check]:
    """The checks by name; drawing is slow, so only some tests ask for it."""
    params = load_params(project.folder / "params.yaml")
    checks = verify_results(params, project.folder / "results", project.folder / "data", without)
    return {check.name: check for check in checks}


def find_faults(project: Project, without: Sequence[str] = ("figures",)) -> dict[str, str]:
    """The faults of the checks that found some, as text."""
    return {name: "\n".join(check.faults) for name, check in verify(project, without).items() if check.faults}


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


def accept_files(project: Project) -> None:
    """Make the checksums those of the files as they are now."""
    folder = project.folder / "results/tiny"
    names = json.loads((folder / "checksums.json").read_text())["files"]
    write_checksums([folder / name for name in names if (folder / name).exists()], folder / "checksums.json")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit_cell(path: Path, column: str, row: int = -1) -> None:
    """Add a hundredth to a number of a table."""
    table = pd.read_csv(path, dtype={"arm": str})
    table.loc[table.index[row], column] += 0.01
    table.to_csv(path, index=False)


def ship(project: Project, **shipped: Any) -> None:
    """Say in params.yaml that the results are shipped."""
    params = copy.deepcopy(SMALL)
    params["presets"]["tiny"]["shipped"] = {"report": False} | shipped
    project.write_params(params)


def changed(**run: Any) -> dict[str, Any]:
    params = copy.deepcopy(SMALL)
    params["presets"]["tiny"]["run"] |= run
    return params


def test_finished_results_match_in_every_respect(finished: Project) -> None:
    checks = verify(finished, without=())
    assert not [check for check in checks.values() if check.faults or check.warnings or check.error]
    assert [name for name, check in checks.items() if check.skipped] == ["report", "by checksum"]
    assert checks["by checksum"].note == "only: tables/environment.json"
    assert checks["runs"].note.startswith("2 of 2 runs")


def test_a_clone_matches_and_what_it_lacks_is_said_to_be_left_out(clone: Project) -> None:
    checks = verify(clone, without=())
    assert not [check for check in checks.values() if check.faults]
    skipped = ["report", "runs", "tables of runs", "images", "by checksum"]
    assert [name for name, check in checks.items() if check.skipped] == skipped
    assert "tables/runs.csv, tables/evaluations.csv, tables/environment.json" in checks["by checksum"].note


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
    assert f"{record}: belongs to another run, m2-" in find_faults(project)["runs"]


def test_a_record_with_another_configuration_under_its_own_name_is_found(project: Project) -> None:
    record = find_run(project, "m1") / "run.json"
    set_json(record, lambda value: value["config"].update(learning_rate=0.5))
    assert (
        f"{record}: its configuration, data and sources belong to another run, m1-lr0.5-"
        in find_faults(project)["runs"]
    )


def test_an_edited_table_is_found(project: Project) -> None:
    runs = project.folder / "results/tiny/tables/runs.csv"
    runs.write_text(runs.read_text().replace(",reference,cpu,", ",reference,cuda,", 1))
    faults = find_faults(project)
    assert faults["files"] == "tables/runs.csv: changed"
    given = "line 2: device is cuda, should be cpu"
    assert faults["tables of runs"] == f"tables/runs.csv: not what the runs give: {given}"


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
    assert done.stdout.splitlines()[-1].startswith(
        "asgd: error: results: some results do not match: tiny (configuration), tiny ("
    )


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
    assert "the images have changed since they were prepared" in find_faults(project)["images"]


def test_images_prepared_otherwise_than_those_of_the_runs_are_found(project: Project) -> None:
    set_json(project.folder / "results/tiny/tables/environment.json", lambda value: value.update(data_content="0" * 64))
    assert "not the images that the runs saw" in find_faults(project)["images"]


def test_missing_changed_and_foreign_files_are_found(clone: Project) -> None:
    figures = clone.folder / "results/tiny/figures"
    (figures / "outcomes.pdf").unlink()
    (figures / "outcomes.png").write_bytes(b"")
    (figures / "figure7.png").write_bytes(b"")
    faults = find_faults(clone, without=())
    assert set(faults) == {"files", "figures", "explorer"}  # which shows outcomes.png
    missing = "figures/outcomes.pdf: missing\nfigures/outcomes.png: changed\n"
    assert faults["files"] == f"{missing}figures/figure7.png: not made with the others"


def test_an_edited_verdict_is_found(clone: Project) -> None:
    results = clone.folder / "results/tiny"
    set_json(results / "claims.json", lambda value: value["verdicts"][0].update(verdict="reproduced"))
    set_json(results / "metrics.json", lambda value: value.update(accuracy_m1=0.99))
    faults = find_faults(clone)
    assert 'claims.json: C1.verdict is "reproduced", should be "not applicable"' in faults["claims"]
    assert "metrics.json: accuracy_m1 is 0.99, should be 0." in faults["claims"]
    assert faults["files"] == "claims.json: changed\nmetrics.json: changed"


#: What a change of a file, with its checksum changed to match, is found by.
UNSEEN: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "tables/arms.csv": (lambda path: edit_cell(path, "final_test_accuracy_mean"), "summaries", "line 3: final_test_"),
    "tables/curves.csv": (lambda path: edit_cell(path, "mean"), "summaries", "tables/curves.csv: line "),
    "tables/dvc_curves.csv": (lambda path: edit_cell(path, "mean"), "summaries", "tables/dvc_curves.csv: line "),
    "tables/runs.csv": (
        lambda path: edit_cell(path, "final_test_loss"),
        "summaries",
        "ends otherwise than evaluations",
    ),
    "tables/evaluations.csv": (lambda path: edit_cell(path, "test_loss"), "summaries", "tables/curves.csv: line "),
    "claims.json": (lambda path: edit(path, '"edition": "first"', '"edition": null'), "claims", "edition"),
    "claims.html": (lambda path: edit(path, "not applicable", "reproduced"), "claims", "claims.html: line "),
    "metrics.json": (lambda path: edit(path, '"n_runs": 2', '"n_runs": 3'), "claims", "n_runs is 3, should be 2"),
    "tables/numbers.tex": (lambda path: edit(path, "{tiny}", "{large}"), "numbers", "tables/numbers.tex: line "),
    "tables/accuracy.tex": (lambda path: edit(path, "delay", "momentum"), "numbers", "tables/accuracy.tex: line "),
    "explorer.html": (lambda path: edit(path, "not applicable", "reproduced"), "explorer", "explorer.html: not what"),
    "figures/outcomes.png": (lambda path: path.write_bytes(path.read_bytes() + b"0"), "figures", "not what the tables"),
    "figures/figure1_delay.pdf": (lambda path: path.write_bytes(b""), "figures", "figures/figure1_delay.pdf: not what"),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_a_change_is_found_even_if_the_checksums_were_made_to_match(clone: Project, name: str) -> None:
    spoil, check, words = UNSEEN[name]
    spoil(clone.folder / "results/tiny" / name)
    accept_files(clone)
    faults = find_faults(clone, without=() if check == "figures" else ["figures"])
    assert "files" not in faults
    assert words in faults[check]


@pytest.mark.parametrize(
    "name", ["tables/study.json", "tables/arms.csv", "figures/outcomes.pdf", "tables/numbers.tex", "explorer.html"]
)
def test_a_file_that_is_gone_is_missed_even_if_no_checksum_is_recorded(clone: Project, name: str) -> None:
    (clone.folder / "results/tiny" / name).unlink()
    accept_files(clone)
    assert find_faults(clone)["files"] == f"{name}: missing"


def test_a_repeated_row_is_found(clone: Project) -> None:
    path = clone.folder / "results/tiny/tables/evaluations.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]) + "\n")
    accept_files(clone)
    assert "tables/evaluations.csv: two rows have run = m2-lr0.01-seed0-" in find_faults(clone)["files"]


def test_figures_by_another_version_are_a_warning(clone: Project) -> None:
    figure = clone.folder / "results/tiny/figures/outcomes.png"
    figure.write_bytes(figure.read_bytes() + b"0")
    accept_files(clone)
    set_json(clone.folder / "results/tiny/checksums.json", lambda value: value["made_with"].update(matplotlib="1.0"))
    checks = verify(clone, without=())
    assert not [check for check in checks.values() if check.faults]
    (warning,) = checks["figures"].warnings
    assert warning.startswith("figures/outcomes.png: other bytes here, where matplotlib is ")
    assert warning.endswith(" and was 1.0: compared with their checksums only")
    assert "warning" in format_check(checks["figures"])


def test_other_libraries_and_kernels_than_those_of_the_runs_are_a_warning(clone: Project) -> None:
    environment = clone.folder / "results/tiny/tables/environment.json"
    set_json(environment, lambda value: value.update(numpy="1.0", numba="1.0 / 2.0", device="other / vector / plain"))
    found = verify(clone)["versions"]
    assert not found.faults
    assert [warning.partition(":")[0] for warning in found.warnings] == ["numpy", "numba"]
    assert "the runs used 1.0 and 2.0, here is " in found.warnings[1]
    other = {"vector": "plain", "plain": "vector"}[choose_kernels()]
    set_json(environment, lambda value: value.update(device=other))
    assert f"kernels: the runs used {other}" in verify(clone)["versions"].warnings[-1]


@pytest.fixture
def packed(project: Project) -> Project:
    """A clone with its runs packed, as params.yaml says."""
    ship(project, runs="packed.tar.xz")
    store = project.folder / "results/runs"
    assert (
        pack_runs([path.name for path in store.iterdir()], Pool(store), project.folder / "results/packed.tar.xz") == 2
    )
    return remove_what_git_ignores(project)


def repack(project: Project, change: Callable[[dict[str, dict[str, bytes]]], None]) -> None:
    """Change the runs in the packed file."""
    archive = project.folder / "results/packed.tar.xz"
    runs: dict[str, dict[str, bytes]] = {}
    with tarfile.open(archive) as packed_runs:
        for member in packed_runs:
            name, file = member.name.split("/")
            runs.setdefault(name, {})[file] = packed_runs.extractfile(member).read()
    change(runs)
    with tarfile.open(archive, "w:xz") as tar:
        for run, contents in runs.items():
            for name in list_files(run):
                entry = tarfile.TarInfo(f"{run}/{name}")
                entry.size = len(contents[name])
                tar.addfile(entry, io.BytesIO(contents[name]))


def change_accuracy(runs: dict[str, dict[str, bytes]]) -> None:
    """Another accuracy at the end of a run, with the checksum in its record changed to match."""
    contents = next(iter(runs.values()))
    table = pd.read_csv(io.BytesIO(contents["metrics.csv"]))
    table.loc[table.index[-1], "test_accuracy"] += 0.001  # it ends as before
    contents["metrics.csv"] = table.to_csv(index=False).encode()
    change_record(runs, metrics_sha256=hashlib.sha256(contents["metrics.csv"]).hexdigest())


def change_record(runs: dict[str, dict[str, bytes]], **entries: Any) -> None:
    contents = next(iter(runs.values()))
    contents["run.json"] = json.dumps(json.loads(contents["run.json"]) | entries).encode()


def test_packed_runs_match_and_nothing_is_left_to_checksums(packed: Project) -> None:
    checks = verify(packed)
    assert not [check for check in checks.values() if check.faults]
    assert "against 2 runs of packed.tar.xz" in checks["packed runs"].note
    assert checks["by checksum"].note == "only: nothing"
    assert not (packed.folder / "results/runs").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_accuracy, "tables/runs.csv: not what the runs give: line 2: final_test_accuracy is "),
        (
            lambda runs: change_record(runs, wall_seconds=1e6),
            "tables/runs.csv: not what the runs give: line 2: wall_sec",
        ),
        (lambda runs: change_record(runs, hardware={"cpu": "another"}), "tables/environment.json: cpu is "),
        (lambda runs: change_record(runs, metrics_sha256="0"), "metrics.csv: truncated or edited"),
        (lambda runs: runs.popitem(), "packed.tar.xz: lacks runs: m2-"),
        (lambda runs: runs.update(other=runs[next(iter(runs))]), "other/run.json: belongs to another run, m1-"),
    ],
)
def test_changed_packed_runs_are_found(packed: Project, change: Callable[[Any], None], words: str) -> None:
    repack(packed, change)
    assert words in find_faults(packed)["packed runs"]


def test_a_damaged_or_missing_file_of_packed_runs_is_found(packed: Project) -> None:
    archive = packed.folder / "results/packed.tar.xz"
    archive.write_bytes(archive.read_bytes()[:-100])
    assert "packed.tar.xz: not a tar archive, truncated or corrupt" in find_faults(packed)["packed runs"]
    archive.unlink()
    assert "packed.tar.xz: cannot be read" in find_faults(packed)["packed runs"]


def test_a_run_too_many_among_the_packed_ones_is_found(packed: Project) -> None:
    name, files = render_run()
    repack(packed, lambda runs: runs.update({name: files}))
    assert find_faults(packed)["packed runs"] == f"packed.tar.xz: has other runs: {name}"


def test_shipped_results_that_are_gone_are_missed(
    clone: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship(clone)
    shutil.rmtree(clone.folder / "results/tiny")
    monkeypatch.chdir(clone.folder)
    assert main(["verify", "--without", "figures"]) == 1
    assert "results/tiny: no results there; params.yaml says that they are shipped" in capsys.readouterr().out


def test_a_report_that_is_gone_is_missed(clone: Project) -> None:
    ship(clone, report=True)
    assert find_faults(clone)["files"] == "report.pdf: missing"


def test_a_fault_of_a_check_is_not_laid_to_the_files(
    clone: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check is made to fail, once on sound files and once on one that is damaged."""
    monkeypatch.setattr("asgd.tables.aggregate.summarize_arms", lambda runs: runs["a column that no table has"])
    monkeypatch.chdir(clone.folder)
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--without", "figures"])
    output = capsys.readouterr()
    assert ended.value.code == INTERNAL_ERROR
    (line,) = [line for line in output.out.splitlines() if line.startswith("  summaries")]
    assert "NO RESULT" in line
    assert "MISMATCH" not in output.out
    assert "Traceback" in output.err
    assert "checks that failed with an internal error: 1" in output.err
    (clone.folder / "results/tiny/tables/runs.csv").write_text("run\n")
    assert main(["verify", "--without", "figures"]) == 1
    assert "runs.csv: has no column" in capsys.readouterr().out


def test_what_cannot_be_checked_for_damage_is_laid_to_the_damaged_file(
    clone: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asgd.tables.aggregate.summarize_arms", lambda runs: runs["a column that no table has"])
    runs = clone.folder / "results/tiny/tables/runs.csv"
    runs.write_text(runs.read_text() + "\n")  # still a table, but not the one that was made
    found = verify(clone)["summaries"]
    assert not found.error
    assert "cannot be checked, since these are damaged: tables/runs.csv" in found.faults[0]


@pytest.mark.parametrize("content", ["[]", "{", '{"files": {}}', "[" * 100_000])
def test_damaged_checksums_are_a_mismatch(clone: Project, content: str) -> None:
    (clone.folder / "results/tiny/checksums.json").write_text(content)
    faults = find_faults(clone)
    assert "checksums.json" in faults["files"]
    assert not [check for check in verify(clone).values() if check.error]


@pytest.mark.parametrize("content", ["[]", "{}", '{"experiments": {"delay": 1}}', '{"experiments": [1]}'])
def test_a_damaged_list_of_runs_is_a_mismatch(clone: Project, content: str) -> None:
    (clone.folder / "results/tiny/tables/study.json").write_text(content)
    accept_files(clone)
    assert find_faults(clone)["run names"].startswith(str(clone.folder / "results/tiny/tables/study.json"))
    assert not [check for check in verify(clone).values() if check.error]


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
    assert main(["verify", "--without", "figures"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "results/tiny"
    assert [line.split()[0] for line in lines[1:3]] == ["configuration", "tables"]
    (clone.folder / "results/tiny/figures/outcomes.png").unlink()
    assert main(["verify", "--preset", "tiny", "--without", "figures"]) == 1
    output = capsys.readouterr()
    assert "* figures/outcomes.png: missing" in output.out
    assert output.err.startswith("asgd: error: results: some results do not match: tiny (files)")
    shutil.rmtree(clone.folder / "results")
    assert main(["verify", "--without", "figures"]) == 1
    assert "no preset has results here" in capsys.readouterr().err


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
            "results/tiny/tables/study.json: the shipped tables belong to another study: experiments.delay: 2 runs "
            "fewer",
        ),
        (
            lambda clone: shutil.rmtree(clone.folder / "results"),
            "results/tiny/tables/study.json: missing, so this preset has no shipped tables",
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
