"""A schedule, an update and a network in a user's own files, outside the package, run by `asgd train`."""

import json
from pathlib import Path

import pytest

from asgd.commands.cli import main
from asgd.runs.sources import forget_sources

DATA = ["--data-source", "synthetic", "--data-num-train", "80", "--data-num-test", "20"]
SCHEDULE = '''
"""The workers there and back again: 0, 1, ..., m - 1, m - 1, ..., 0."""
import numpy as np


class Shuttle:
    def __init__(self, num_workers):
        self.line, self.heard = [*range(num_workers), *reversed(range(num_workers))], 0

    def start(self, worker, time):
        pass

    def hear(self):
        (worker,), (time,) = self.stream(1)
        return worker, time

    def stream(self, number):
        turns = np.arange(self.heard, self.heard + number)
        self.heard += number
        return np.array(self.line)[turns % len(self.line)], (turns + 1.0) / (len(self.line) / 2)

    def state(self):
        return {"heard": self.heard}

    def restore(self, state):
        self.heard = state["heard"]


def build(config):
    return Shuttle(config.num_workers)
'''
UPDATE = '''
"""The sign of the gradient."""
from asgd.simulator.updates.rule import Rule


class Sign(Rule):
    corrects = True

    def correct(self, arrived):
        return arrived.gradient.sign() * 0.01


def build(config):
    return Sign()
'''
NETWORK = '''
"""A linear classifier."""
import torch
from torch import nn


def build(config, num_classes):
    torch.manual_seed(config.seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, num_classes))
'''


def train(folder: Path, *flags: str) -> int:
    return main(["train", "--steps", "140", "--train-eval-images", "0", *DATA, *flags, "--out", str(folder)])


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("shuttle", SCHEDULE), ("sign", UPDATE), ("linear", NETWORK)):
        (tmp_path / f"{name}.py").write_text(text)


def test_own_members_run_and_are_part_of_the_runs_name(tmp_path: Path) -> None:
    flags = ("--schedule", "shuttle.py", "--update", "sign.py", "--network", "linear.py", "--num-workers", "3")
    assert train(tmp_path / "first", *flags) == 0
    record = json.loads((tmp_path / "first/run.json").read_text())
    assert record["engine"]["name"] == "reference"
    assert record["engine"]["why"] == "fused has no schedule = shuttle.py"
    # 0 1 2 2 1 0 0 1 2 ...: a worker is heard again after 0, 2 or 4 others, or for the first time.
    assert set(record["staleness"]["histogram"]) == {"0", "1", "2", "4"}
    corrections = [line.rpartition(",")[2] for line in (tmp_path / "first/metrics.csv").read_text().splitlines()[1:]]
    assert [float(each) > 0 for each in corrections if each] == [True]  # step 128 alone is sampled
    assert "-shuttle-sign-linear-" in record["run"]


def test_an_edited_member_is_another_run(tmp_path: Path) -> None:
    names = []
    for factor in ("0.01", "0.02"):
        Path("sign.py").write_text(UPDATE.replace("0.01", factor))
        forget_sources()
        assert train(tmp_path / factor, "--update", "sign.py") == 0
        names.append(json.loads((tmp_path / factor / "run.json").read_text())["run"])
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "sign.py: no such file; give the path of a Python file"),
        ("import nonsense_1", "sign.py: cannot be imported (ModuleNotFoundError: No module named 'nonsense_1')"),
        ("x = 1", "sign.py: has no function `build`"),
    ],
)
def test_a_file_that_is_no_member_is_one_line(
    text: str | None, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("sign.py").unlink() if text is None else Path("sign.py").write_text(text)
    forget_sources()
    assert train(tmp_path / "out", "--update", "sign.py") != 0
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
