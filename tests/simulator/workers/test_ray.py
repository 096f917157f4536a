"""Real workers as processes: replayed bit for bit, survived when they die, and gone when the run is over."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

# Not imported here: it reads its environment as it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="skipped: no Ray (pip install asgd[ray])")

DATA = ["--data-source", "synthetic", "--data-num-train", "200", "--data-num-test", "40", "--train-eval-images", "0"]
COMMAND = [sys.executable, "-m", "asgd", "train", "--execution", "real", "--num-workers", "2", *DATA]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def list_processes(marker: str) -> list[int]:
    """The processes that have ``marker`` in their command or their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in text and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def asgd(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "asgd", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def find_run() -> Path:
    (run,) = Path("results/runs").iterdir()
    return run


def wait_until(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.2)


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run in a process of its own, under way; its children have a mark in their environment."""
    environment = {**os.environ, "ASGD_TEST_MARK": str(tmp_path)}
    command = [*COMMAND, "--steps", "100000", "--evaluations-per-epoch", "1"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 50:"):
            break
    yield process
    for pid in list_processes(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)


def list_below(server: int) -> set[int]:
    """The processes that the server has started, and those that these have. Ray writes over the mark of its workers."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below = {server}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {server}


def is_running(pid: int) -> bool:
    """Whether it is there, and more than an entry that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def list_workers(server: int) -> set[int]:
    return {pid for pid in list_below(server) if b"ray::Worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.parametrize("flags", [[], ["--engine", "reference", "--momentum", "0.9", "--momentum-where", "worker"]])
def test_a_real_run_is_replayed_bit_for_bit(flags: list[str]) -> None:
    assert asgd(*COMMAND[3:], "--steps", "120", *flags).returncode == 0
    run = find_run()
    record = json.loads((run / "run.json").read_text())
    assert sum(record["gradients"].values()) == 120
    assert len(record["workers"]) == 2
    assert (run / "schedule.csv").read_text().count("\n") == 121
    assert re.search(r"identical at \d+ evaluations, to 120 gradients", asgd("replay", str(run)).stdout)
    (run / "schedule.csv").write_text((run / "schedule.csv").read_text().replace(",0,", ",1,", 1))
    assert "schedule.csv: truncated or edited" in asgd("replay", str(run)).stderr


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_the_run_goes_on(long_run: "subprocess.Popen[str]") -> None:
    wait_until(lambda: len(list_workers(long_run.pid)) == 2)
    first = list_workers(long_run.pid)
    os.kill(min(first), signal.SIGKILL)
    assert long_run.stdout is not None
    steps = (line for line in long_run.stdout if line.startswith("step"))
    wait_until(lambda: next(steps) and len(list_workers(long_run.pid) - first) == 1)
    assert next(steps)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_the_run_is_stopped_no_process_is_left(
    long_run: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    below = list_below(long_run.pid)
    assert len(list_workers(long_run.pid) & below) == 2
    long_run.send_signal(number)
    long_run.wait(60)
    wait_until(lambda: not list_processes(str(tmp_path)) and not any(map(is_running, below)))


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_no_worker_behind(long_run: "subprocess.Popen[str]") -> None:
    """Two helpers of Ray's own may stay."""
    wait_until(lambda: len(list_workers(long_run.pid)) == 2)
    workers = list_workers(long_run.pid)
    long_run.kill()
    long_run.wait(60)
    wait_until(lambda: not any(map(is_running, workers)))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="skipped: no /proc/net/tcp")
def test_a_local_run_listens_on_loopback_only(long_run: "subprocess.Popen[str]", tmp_path: Path) -> None:
    inodes = set()
    for pid in list_processes(str(tmp_path)):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            if found := re.match(r"socket:\[(\d+)\]", str(link.readlink()) if link.is_symlink() else ""):
                inodes.add(found[1])
    listening = [
        (name, fields[1])
        for name in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{name}").read_text().splitlines()[1:])
        if fields[3] == "0A" and fields[9] in inodes
    ]
    assert listening
    loopback = {"tcp": ("0100007F",), "tcp6": ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F")}
    assert [place for name, place in listening if not place.startswith(loopback[name])] == []


def test_a_fault_in_a_worker_ends_the_run_in_one_line() -> None:
    Path("broken.py").write_text(
        "from torch import nn\n\nclass Broken(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.linear = nn.Linear(3072, 10)\n\n    def forward(self, x):\n        if self.training:\n"
        "            raise ValueError('broken on purpose')\n        return self.linear(x.flatten(1))\n\n"
        "def build(config, num_classes):\n    return Broken()\n"
    )
    path = str(Path("broken.py").absolute())
    done = asgd(*COMMAND[3:], "--steps", "50", "--network", path)
    assert done.returncode == 1
    error = [line for line in done.stderr.splitlines() if line.startswith("asgd: error")]
    assert len(error) == 1
    assert "a worker failed" in error[0]
    assert "broken on purpose" in error[0]
