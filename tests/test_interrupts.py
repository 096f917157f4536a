"""Ctrl-C, and worse, at every command that trains: nothing is left running, and the next command goes on."""

import contextlib
import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline import TINY, Project, borrow_environment, wait_for

pytestmark = pytest.mark.slow

#: One run of a minute.
LONG = copy.deepcopy(TINY)
LONG["preset"] = "smoke"
LONG["presets"] = {"smoke": LONG["presets"]["tiny"]}
LONG["presets"]["smoke"] |= {"experiments": {"delay": {"num_workers": [2]}}}
LONG["presets"]["smoke"]["run"] |= {"steps": 300_000, "evaluations_per_epoch": 1}


def is_training(project: Project) -> bool:
    return any(" -m asgd train " in line and "bash" not in line for line in project.processes())


def interrupt(project: Project, *command: str) -> str:
    """Start ``command``, press Ctrl-C while it trains, and return what it said once nothing of it runs any more."""
    process = project.start(*command)
    wait_for(lambda: is_training(project) or process.poll() is not None, "training")
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert project.processes() == []
    assert "Traceback" not in output
    return output


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, LONG)


def assert_not_locked(project: Project) -> None:
    project.snakemake("--", "data")  # a dry run would not mind a lock
    assert project.planned_jobs()["train_run"] == 1
    assert not list(project.folder.rglob(".metrics-*"))


def test_snakemake(project: Project) -> None:
    interrupt(project, "snakemake", "--cores", "2", "--config", "pdf=False")
    assert_not_locked(project)


@pytest.mark.skipif(not Path(sys.prefix, ".ready").exists(), reason="skipped: not in the environment that make makes")
def test_make(project: Project) -> None:
    borrow_environment(project.folder)
    interrupt(project, "make", "demo")
    assert_not_locked(project)


def test_dvc(project: Project) -> None:
    for command in (["git", "init", "--quiet"], ["git", "add", "."]):
        subprocess.run(command, cwd=project.folder, check=True)
    interrupt(project, "dvc", "repro", "runs")
    assert_not_locked(project)
    assert project.run("dvc", "status").returncode == 0


def test_a_second_snakemake_is_told_of_the_first(project: Project) -> None:
    first = project.start("snakemake", "--cores", "1", "--config", "pdf=False")
    wait_for(lambda: is_training(project), "training")
    second = project.run("snakemake", "--cores", "1", "--config", "pdf=False")
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=60)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    assert "Traceback" not in second.stdout


def test_a_killed_snakemake_leaves_a_lock_that_the_next_explains(project: Project) -> None:
    process = project.start("snakemake", "--cores", "1", "--config", "pdf=False")
    wait_for(lambda: is_training(project), "training")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: project.processes() == [], "the end of all")
    refused = project.run("snakemake", "--cores", "1", "--config", "pdf=False")
    assert "--unlock" in refused.stdout
    assert project.run("snakemake", "--unlock", "--config", "pdf=False").returncode == 0
    assert_not_locked(project)


def test_the_summary_names_a_job_that_was_killed_and_one_that_has_no_log(project: Project) -> None:
    process = project.start("snakemake", "--cores", "1", "--config", "pdf=False", "--", "runs")
    wait_for(lambda: list(project.folder.glob("logs/runs/*.log")), "training")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            command = (entry / "cmdline").read_text().replace("\0", " ")
            if " -m asgd train " in command and (entry / "cwd").resolve() == project.folder:
                os.kill(int(entry.name), signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    lines = output.splitlines()
    summary = lines.index("Failed jobs: 1")
    assert lines[summary + 1].startswith("  logs/train_runs_0.log: ended without an error message (killed, out of")
    assert "its log ends with: m2-lr0.01-seed0-" in lines[summary + 1]

    (compiled,) = project.folder.glob("logs/compile_engine-*.log")
    compiled.unlink()
    rules = project.folder / "workflow/rules/train.smk"
    rules.write_text(rules.read_text().replace('"{ASGD} compile', '"exit 3; {ASGD} compile'))
    done = project.run("snakemake", "--cores", "1", "--config", "pdf=False", "--", "runs")
    assert "Failed jobs: 1\n  compile_engine: ended without an error message" in done.stdout
