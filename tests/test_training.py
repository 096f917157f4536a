"""Several runs in one process: what one of them does, for each; a failure stops none of the others."""

import io
import json
import shlex
from pathlib import Path

import pytest

from asgd.commands.cli import main

COMMON = shlex.split(
    "train --data-source synthetic --data-num-train 40 --data-num-test 20 --train-eval-images 20 --steps 20"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train_each(lines: list[str], *flags: str) -> int:
    Path("lines").write_text("\n".join(lines))
    return main([*COMMON, "--each", "lines", *flags])


def test_each_line_is_a_run_of_its_own(folder: Path) -> None:
    assert train_each(["--num-workers 3 --out a", "", "--seed 1 --out 'b c'"], "--learning-rate", "0.05") == 0
    configs = [json.loads((folder / name / "run.json").read_text())["config"] for name in ("a", "b c")]
    assert [config["num_workers"] for config in configs] == [3, 1]
    assert [config["seed"] for config in configs] == [0, 1]
    assert [config["learning_rate"] for config in configs] == [0.05, 0.05]
    assert main([*COMMON, "--num-workers", "3", "--learning-rate", "0.05", "--out", "alone"]) == 0
    assert (folder / "alone/metrics.csv").read_bytes() == (folder / "a/metrics.csv").read_bytes()
    assert not list((folder / "results/checkpoints").iterdir())


def test_lines_come_from_standard_input_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("--out a\n"))
    assert main([*COMMON, "--each", "-"]) == 0
    assert (folder / "a/run.json").exists()


def test_a_run_that_fails_stops_no_other_and_is_named_with_its_log(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_each(["--num-workers 99 --out bad", "--out good"], "--logs", "logs") == 1
    assert (folder / "good/run.json").exists()
    assert capsys.readouterr().err.splitlines()[-1] == "asgd: error: 1 of 2 runs failed: logs/bad.log"
    assert "num_workers = 99: more than the 20 steps" in (folder / "logs/bad.log").read_text()
    assert "good: test accuracy" in (folder / "logs/good.log").read_text()


def test_a_batch_that_starts_again_has_its_finished_runs_at_once(folder: Path) -> None:
    lines = ["--out a", "--num-workers 99 --out bad"]
    assert train_each(lines, "--logs", "logs") == 1
    before = (folder / "a/metrics.csv").read_bytes()
    (folder / "a/metrics.csv").unlink()  # as Snakemake does
    (folder / "a/run.json").unlink()
    assert train_each(["--out a"], "--logs", "logs") == 0
    assert (folder / "a/metrics.csv").read_bytes() == before
    assert "goes on from its checkpoint at step 20" in (folder / "logs/a.log").read_text()
    assert "step 10:" not in (folder / "logs/a.log").read_text()
    assert not list((folder / "results/checkpoints").iterdir())


def test_a_missing_file_of_lines_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMON, "--each", "nowhere"]) == 1
    assert capsys.readouterr().err == "asgd: error: nowhere: cannot be read (No such file or directory)\n"
