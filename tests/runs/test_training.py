"""Several runs of one command: each is what it would be alone; a failure stops none of the others."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from asgd.commands.cli import main
from asgd.errors import AsgdError
from asgd.processes import map_processes
from asgd.runs.orders import Setup, train_orders
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig
from tests.pipeline import find_processes, wait_for

DATA = {"source": "synthetic", "num_train": 40, "num_test": 20}
RUN: dict[str, Any] = {"train_eval_images": 20, "steps": 20}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line(out: str | None = None, **run: Any) -> str:
    return json.dumps({"run": RUN | run, "data": DATA} | ({"out": out} if out else {}))


def train_each(lines: list[str], *flags: str) -> int:
    Path("lines").write_text("\n".join(lines))
    return main(["train", "--each", "lines", *flags])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_line_is_a_run_of_its_own(folder: Path, jobs: str) -> None:
    assert train_each([line("a", num_workers=3), "", line("b c", seed=1)], "--jobs", jobs) == 0
    configs = [json.loads((folder / name / "run.json").read_text())["config"] for name in ("a", "b c")]
    assert [config["num_workers"] for config in configs] == [3, 1]
    assert [config["seed"] for config in configs] == [0, 1]
    data = [f"--data-{key.replace('_', '-')}={value}" for key, value in DATA.items()]
    assert main(["train", *data, "--train-eval-images=20", "--steps=20", "--num-workers=3", "--out=alone"]) == 0
    assert (folder / "alone/metrics.csv").read_bytes() == (folder / "a/metrics.csv").read_bytes()
    assert not list((folder / "results/checkpoints").iterdir())


def test_each_call_opens_the_images_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of one call share them; a later call in another folder must not take them for its own."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        train_orders([Order.model_validate({"run": RUN, "data": DATA})])
        assert list((tmp_path / name / "data").glob("synthetic-*/meta.json"))


def test_lines_come_from_standard_input_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{line('a')}\n"))
    assert main(["train", "--each", "-"]) == 0
    assert (folder / "a/run.json").exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_fails_stops_no_other_and_is_named_with_its_log(
    folder: Path, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    assert train_each([line("bad", num_workers=99), line("good")], "--logs", "logs", "--jobs", jobs) == 1
    assert (folder / "good/run.json").exists()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(
        "asgd: error: 1 of 2 runs failed: logs/bad.log (num_workers = 99: more than the 20 gradients"
    )
    assert "num_workers = 99: more than the 20 gradients" in (folder / "logs/bad.log").read_text()
    assert "good: test accuracy" in (folder / "logs/good.log").read_text()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_batch_that_starts_again_has_its_finished_runs_at_once(folder: Path, jobs: str) -> None:
    lines = [line("a"), line("bad", num_workers=99)]
    assert train_each(lines, "--logs", "logs", "--jobs", jobs) == 1
    before = (folder / "a/metrics.csv").read_bytes()
    (folder / "a/metrics.csv").unlink()  # as Snakemake does
    (folder / "a/run.json").unlink()
    assert train_each(lines[:1], "--logs", "logs") == 0
    assert (folder / "a/metrics.csv").read_bytes() == before
    assert "continues from its checkpoint at step 20" in (folder / "logs/a.log").read_text()
    assert "step 10:" not in (folder / "logs/a.log").read_text()
    assert not list((folder / "results/checkpoints").iterdir())


def test_runs_that_are_whole_in_the_pool_are_left_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_each([line()]) == 0
    (run,) = (folder / "results/runs").iterdir()
    before = (run / "run.json").read_bytes()  # with the time that it took
    assert train_each([line(), line(seed=1)], "--jobs", "2", "--logs", "logs") == 0
    assert (run / "run.json").read_bytes() == before
    assert "finished before, skipped" in "".join(log.read_text() for log in (folder / "logs").iterdir())
    assert len(list((folder / "results/runs").iterdir())) == 2
    (run / "metrics.csv").write_text("step\n")
    capsys.readouterr()
    assert train_each([line()]) == 1
    assert f"results/runs/{run.name}/metrics.csv: truncated or edited" in capsys.readouterr().err


def test_a_program_trains_as_the_command_does_and_is_told_the_folders(folder: Path) -> None:
    orders = [
        Order(run=RunConfig(**RUN, seed=seed), data=DataConfig(source="synthetic", num_train=40, num_test=20))
        for seed in (0, 1)
    ]
    folders = train_orders(orders, Setup(store=Path("pool")))
    assert [json.loads((run / "run.json").read_text())["config"]["seed"] for run in folders] == [0, 1]
    assert {run.parent for run in folders} == {Path("pool")}
    assert train_orders(orders, Setup(store=Path("pool")), jobs=2) == folders


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_processes_end_with_the_command_and_their_runs_go_on(folder: Path, number: signal.Signals, status: int) -> None:
    lines = [line(f"r{seed}", seed=seed, steps=400_000, evaluations_per_epoch=1) for seed in range(3)]
    Path("lines").write_text("\n".join(lines))
    command = [sys.executable, "-m", "asgd", "train", "--each", "lines", "--jobs", "2", "--logs", "logs"]
    process = subprocess.Popen(
        [*command, "--checkpoint-every", "0"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while len(list(Path("results/checkpoints").glob("*.npz"))) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    # A terminal sends Ctrl-C to all of them, a scheduler SIGTERM to the first.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    written = process.communicate(timeout=60)[1]
    assert (process.returncode, "Traceback" in written) == (status, False), written
    wait_for(
        lambda: not any("train --each" in line or "multiprocessing" in line for line in find_processes(folder)),
        "the end of all processes",
        60,
    )
    assert not Path("r0").exists()
    assert not Path("logs/r2.log").exists()
    assert not [path for path in Path("results").rglob(".*") if path.is_file()]


def die(item: int) -> int:
    """A work item whose process the system kills."""
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_process_that_is_killed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AsgdError, match="a process was killed, perhaps because memory ran out"):
        list(map_processes(die, [0, 1, 2], 2))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ['{"run": {"seed": 1}}', '{"run": {"sed": 1}}'],
            "lines, line 2: unknown key 'run.sed'; keys allowed here are",
        ),
        (["", '{"run": {"num_workers": 0}}'], "lines, line 2: run.num_workers = 0: Input should be greater than"),
        (['{"run": {"epochs": "1"}}'], "lines, line 1: run: epochs is the text '1'; write it as a plain number, 1"),
        (['{"runs": {}}'], "lines, line 1: unknown key 'runs'; keys allowed here are run, data, out"),
        (['{"data": {"source": "image_folder"}}'], "lines, line 1: data: path is missing"),
        (['{"run": {"seed": 1, "seed": 2}}'], "lines, line 1: not valid JSON (a key is given twice among seed, seed)"),
        (["--num-workers 3"], "lines, line 1: not valid JSON ("),
        (["[1]"], "lines, line 1: not a JSON object"),
        (["{}", '{"out": "a"}', '{"out": "a"}'], "lines, line 3: line 2 has out = 'a' too; name another folder"),
        ([""], "lines: describes no run; write a JSON object in each line"),
    ],
)
def test_a_wrong_line_is_named_before_anything_is_trained(
    folder: Path, capsys: pytest.CaptureFixture[str], lines: list[str], message: str
) -> None:
    assert train_each(lines) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"asgd: error: {message}")
    assert error.count("\n") == 1
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--each", "nowhere"], "nowhere: cannot be read (No such file or directory)"),
        (
            ["--each", "lines", "--seed", "1"],
            "--each: lines describes the runs completely; leave out the flags of a run",
        ),
        (
            ["--each", "lines", "--out", "a"],
            "--each: lines describes the runs completely; leave out the flags of --out",
        ),
        (["--jobs", "2"], "--jobs, --logs and --batch need --each; leave them out for one run"),
    ],
)
def test_flags_that_do_not_go_together_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main(["train", *flags]) == 1
    assert capsys.readouterr().err == f"asgd: error: {message}\n"


def test_lines_in_another_encoding_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lines").write_bytes(b'{"out": "caf\xe9"}')
    assert main(["train", "--each", "lines"]) == 1
    assert "asgd: error: lines: is not UTF-8" in capsys.readouterr().err


def test_images_are_prepared_by_settings_in_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data.json").write_text(json.dumps(DATA))
    assert main(["data", "--settings", "data.json"]) == 0
    assert "synthetic images" in capsys.readouterr().out
    assert main(["data", "--settings", "data.json", "--data-seed", "1"]) == 1
    Path("data.json").write_text('{"source": "synthetic", "num_train": 3}')
    assert main(["data", "--settings", "data.json"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "asgd: error: --preset, --settings and --data-... cannot be combined; give one of them",
        "asgd: error: data.json: num_train = 3: Input should be a multiple of 10",
    ]
    shutil.rmtree("data")
