"""Real workers as processes: replayed bit for bit, survived when they die, and gone when the run is over."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from asgd.commands.cli import main

# Not imported here: it reads its environment as it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="skipped: no Ray (make setup EXTRAS=ray)")

DATA = ["--data-source", "synthetic", "--data-num-train", "200", "--data-num-test", "40", "--train-eval-images", "0"]
COMMAND = [sys.executable, "-m", "asgd", "train", "--execution", "real", *DATA]
LONG = [*COMMAND, "--num-workers", "2", "--steps", "100000", "--evaluations-per-epoch", "1"]

#: Runs that are replayed, two of which are trained at once; with what must have become of some gradients.
PAIRS: dict[str, list[tuple[str, str]]] = {
    "fused, reference with worker momentum": [
        ("--num-workers 2 --dropout 0.2", "applied"),
        ("--num-workers 2 --engine reference --momentum 0.9 --momentum-where worker", "applied"),
    ],
    "dc_adaptive, discard": [
        ("--num-workers 3 --update dc_adaptive --momentum 0.5", "applied"),
        ("--num-workers 2 --policy discard --max-staleness 1", "discarded"),
    ],
    "synchronous, fused with worker momentum": [
        ("--num-workers 3 --policy synchronous --no-cancel --backups 1", "dropped"),
        ("--num-workers 3 --momentum 0.9 --momentum-where worker --batch-size 8", "applied"),
    ],
}

#: Ten milliseconds for a gradient, while it is a worker's and the file is there: time to do something to the worker.
SLOW = """
import sys
import time
from pathlib import Path

import torch
from torch import nn


class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3072, 10)

    def forward(self, x):
        if self.training and "ray" in sys.modules and Path({flag!r}).exists():
            time.sleep(0.01)
        return self.linear(x.flatten(1))


def build(config, num_classes):
    torch.manual_seed(0)
    return Slow()
"""

BROKEN = """
from torch import nn


class Odd(Exception):
    pass


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3072, 10)

    def forward(self, x):
        if self.training:
            raise Odd("broken on purpose")
        return self.linear(x.flatten(1))


def build(config, num_classes):
    return Broken()
"""


#: A signal to the server as it evaluates the weights, in a destructor.
DEAF = """
import signal

import torch
from torch import nn


class Deaf:
    def __del__(self):
        signal.raise_signal({number})


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3072, 10)

    def forward(self, x):
        if not self.training:
            Deaf()
        return self.linear(x.flatten(1))


def build(config, num_classes):
    torch.manual_seed(0)
    return Network()
"""

#: A command that sends itself a signal where Python only prints what the signal's handler raises: as Ray forks.
FORKED = """
import os
import signal
import sys

from asgd.commands.cli import main

sent = []


def send():
    if len(sent) == {fork}:
        os.kill(os.getpid(), {number})
    sent.append(True)


os.register_at_fork(after_in_parent=send)
sys.exit(main(sys.argv[1:]))
"""

#: The status of a run that a signal ended, and the line that says so.
STOPPED = {signal.SIGINT: (130, "asgd: interrupted"), signal.SIGTERM: (143, "asgd: terminated")}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def list_processes(marker: str) -> set[int]:
    """The processes that have ``marker`` in their command or their environment."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in text and int(path.name) != os.getpid():
            found.add(int(path.name))
    return found


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


def list_named(server: int, name: str) -> set[int]:
    """The processes below the server that have ``name`` in their command."""
    found = set()
    for pid in list_below(server):
        try:
            if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
        except OSError:
            continue
    return found


def list_workers(server: int) -> set[int]:
    return list_named(server, "ray::Worker")


def wait_until(condition: Callable[[], object], seconds: float = 60.0, pause: float = 0.2) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(pause)


def start(*command: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    """A command in a group of its own, as in a terminal; what it says goes to a file, which it has as ``said``."""
    said = Path(tempfile.mkstemp(dir=Path.cwd(), suffix=".log")[1])
    with said.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    process.said = said  # type: ignore[attr-defined]
    return process


def read(process: Any) -> str:
    """What it said so far."""
    text: str = process.said.read_text()
    return text


def finish(process: "subprocess.Popen[str]") -> str:
    """What it said, at its end."""
    process.wait(300)
    return read(process)


def errors_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("asgd: error")]


def find_run(said: str) -> Path:
    """The folder that a run which is over names in its last line."""
    return Path(said.splitlines()[-1].partition(":")[0])


def find_fates(run: Path) -> Counter[str]:
    with (run / "schedule.csv").open() as file:
        return Counter(row["fate"] for row in csv.DictReader(file))


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose name is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def long_run(tmp_path: Path, temporary: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run in a process of its own, under way."""
    process = start(*LONG, environment={"ASGD_TEST_MARK": str(tmp_path), "TMPDIR": str(temporary)})
    wait_until(lambda: "step 50:" in read(process) or process.poll() is not None)
    assert len(list_workers(process.pid)) == 2, read(process)
    yield process
    for pid in list_processes(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
def test_two_real_runs_at_once_are_replayed_bit_for_bit(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    started = []
    for number, (flags, _) in enumerate(PAIRS[pair]):
        started.append(start(*COMMAND, *flags.split(), "--steps", "150"))
        if number == 0:
            wait_until(lambda: Path("data").exists() and any(Path("data").iterdir()))
    for number, process in enumerate(started):
        flags, fate = PAIRS[pair][number]
        said = finish(process)
        assert process.returncode == 0, said
        run = find_run(said)
        record = json.loads((run / "run.json").read_text())
        fates = find_fates(run)
        assert sum(fates.values()) == sum(record["gradients"].values()) == 150
        assert len(record["workers"]) == int(flags.split()[1])
        assert fates[fate] > 0
        assert main(["replay", str(run)]) == 0
        assert re.search(r"identical at \d+ evaluations, to 150 gradients", capsys.readouterr().out), flags
    (run / "schedule.csv").write_text((run / "schedule.csv").read_text().replace(",0,", ",1,", 1))
    assert main(["replay", str(run)]) == 1
    assert "schedule.csv: truncated or edited" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_whose_workers_die_and_hang_and_that_is_itself_stopped_goes_on_and_is_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = tmp_path / "slow"
    flag.touch()
    Path("slow.py").write_text(SLOW.format(flag=str(flag)))
    flags = ["--num-workers", "2", "--network", str(tmp_path / "slow.py"), "--steps", "6000"]
    flags += ["--evaluations-per-epoch", "1", "--checkpoint-every", "0"]
    process = start(*COMMAND, *flags, environment={"ASGD_PATIENCE": "1"})
    wait_until(lambda: "step 50:" in read(process) or process.poll() is not None)

    first = list_workers(process.pid)
    os.kill(min(first), signal.SIGKILL)
    wait_until(lambda: "is lost; another process takes its place" in read(process))
    wait_until(lambda: len(list_workers(process.pid) - first) == 1 and len(list_workers(process.pid)) == 2)

    hanging = max(first)
    os.kill(hanging, signal.SIGSTOP)
    wait_until(lambda: "no answer for 1 s; the others go on" in read(process))
    steps = read(process).count("step ")
    wait_until(lambda: read(process).count("step ") > steps + 2)
    os.kill(hanging, signal.SIGCONT)
    steps = read(process).count("step ")
    wait_until(lambda: read(process).count("step ") > steps + 2)

    process.terminate()
    assert "asgd: terminated" in finish(process)
    assert process.returncode == 143
    flag.unlink()
    again = start(*COMMAND, *flags)
    said = finish(again)
    assert again.returncode == 0, said
    run = find_run(said)

    fates = find_fates(run)
    assert fates["applied"] + fates["lost"] == 6000
    assert fates["lost"] == 3  # one with the worker that was killed, two with the run
    assert fates["joined"] == 3
    with (run / "schedule.csv").open() as file:
        assert max(int(row["staleness"]) for row in csv.DictReader(file) if row["fate"] == "applied") > 20
    assert main(["replay", str(run)]) == 0
    assert "identical" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_run_is_stopped_no_process_no_file_and_no_lock_is_left(
    long_run: "subprocess.Popen[str]", tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    below = list_below(long_run.pid)
    assert list(temporary.iterdir())
    os.killpg(long_run.pid, number)
    long_run.wait(60)
    wait_until(lambda: not list_processes(str(tmp_path)) and not any(map(is_running, below)))
    wait_until(lambda: not list(temporary.iterdir()))
    assert errors_of(read(long_run)) == []
    assert {path.name for path in tmp_path.iterdir()} - {long_run.said.name} <= {"data", "results"}  # type: ignore[attr-defined]
    assert [path for path in tmp_path.rglob("*.lock") if path.stat().st_size] == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "begun"), [(signal.SIGINT, "default_worker"), (signal.SIGTERM, "gcs_server")])
def test_a_signal_while_workers_start_leaves_nothing(
    tmp_path: Path, temporary: Path, number: signal.Signals, begun: str
) -> None:
    mark = {"ASGD_TEST_MARK": str(tmp_path), "TMPDIR": str(temporary)}
    process = start(*LONG, environment=mark)
    wait_until(lambda: list_named(process.pid, begun) or list_workers(process.pid))
    below = list_below(process.pid)
    os.killpg(process.pid, number)
    said = finish(process)
    assert (process.returncode, said.splitlines()[-1]) == STOPPED[number], said
    assert "Traceback" not in said
    wait_until(lambda: not list_processes(str(tmp_path)) and not any(map(is_running, below)))
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_ray_is_started_once_more_where_it_does_not_start(temporary: Path) -> None:
    """As on a machine that is too busy for it: one of its own processes is lost before it has answered."""
    process = start(*COMMAND, "--num-workers", "1", "--steps", "50", environment={"TMPDIR": str(temporary)})
    wait_until(lambda: list_named(process.pid, "raylet/raylet"), pause=0.02)
    for pid in list_named(process.pid, "raylet/raylet"):
        os.kill(pid, signal.SIGKILL)
    said = finish(process)
    assert process.returncode == 0, said
    assert "starting it once more" in said, said
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "fork"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGTERM, 2)])
def test_a_signal_while_ray_forks_ends_the_run(temporary: Path, number: signal.Signals, fork: int) -> None:
    Path("forked.py").write_text(FORKED.format(number=int(number), fork=fork))
    command = [sys.executable, "forked.py", *COMMAND[3:], "--num-workers", "1", "--steps", "50"]
    process = start(*command, environment={"TMPDIR": str(temporary)})
    said = finish(process)
    assert (process.returncode, said.splitlines()[-1]) == STOPPED[number], said
    assert "Traceback" not in said
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", STOPPED)
def test_a_signal_whose_exception_python_ignores_ends_the_run(number: signal.Signals) -> None:
    Path("deaf.py").write_text(DEAF.format(number=int(number)))
    process = start(*COMMAND, "--num-workers", "1", "--steps", "1000", "--network", str(Path("deaf.py").absolute()))
    said = finish(process)
    assert "Exception ignored in" in said
    status, line = STOPPED[number]
    assert process.returncode == status, said
    assert line in said.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="skipped: no /proc/net/tcp")
def test_a_local_run_listens_on_loopback_only_and_only_to_its_token(long_run: "subprocess.Popen[str]") -> None:
    inodes = set()
    for pid in list_below(long_run.pid):
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

    (raylet,) = list_named(long_run.pid, "raylet/raylet")
    address = re.search(r"--gcs-address=([\d.:]+)", Path(f"/proc/{raylet}/cmdline").read_text())
    assert address
    place = {"RAY_ADDRESS": address[1], "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    intruders = [start(*LONG, environment={**place, **key}) for key in (wrong, {"RAY_AUTH_MODE": "disabled"})]
    for intruder in intruders:
        (error,) = errors_of(finish(intruder))
        assert intruder.returncode == 1
        assert f"RAY_ADDRESS = {address[1]}: cannot be joined" in error
        assert "Authentication token is missing or incorrect" in error
    assert long_run.poll() is None


@pytest.mark.slow
def test_a_fault_in_a_worker_ends_the_run_in_one_line() -> None:
    Path("broken.py").write_text(BROKEN)
    process = start(*COMMAND, "--num-workers", "2", "--steps", "50", "--network", str(Path("broken.py").absolute()))
    (error,) = errors_of(finish(process))
    assert process.returncode == 1
    assert error == "asgd: error: a worker failed: Odd: broken on purpose"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAY_ADDRESS": "127.0.0.1:1"}, "RAY_ADDRESS = 127.0.0.1:1: no cluster answers there"),
        ({"RAY_ADDRESS": "somewhere"}, "RAY_ADDRESS = somewhere: no cluster answers there"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(environment: dict[str, str], message: str) -> None:
    process = start(*LONG, environment=environment)
    (error,) = errors_of(finish(process))
    assert process.returncode == 1
    assert message in error
