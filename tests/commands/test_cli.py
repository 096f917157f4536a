"""The command line: flags, files written, last lines, and errors of one line."""

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asgd.commands.cli import main
from asgd.commands.command import PURPOSES, Command
from asgd.commands.parser import build_parser, list_commands
from asgd.members import find_members
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate

SYNTHETIC = [
    "--data-source",
    "synthetic",
    "--data-num-train",
    "80",
    "--data-num-test",
    "20",
    "--train-eval-images",
    "10",
]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run `asgd train` on few synthetic images in an empty folder; returns (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*flags: str) -> tuple[int, str, str]:
        status = main(["train", *SYNTHETIC, *flags])
        output = capsys.readouterr()
        return status, output.out, output.err

    return call


def test_train_writes_its_files_and_ends_with_accuracy_and_outcome(train, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = train("--num-workers", "3", "--momentum", "0.9", "--epochs", "2", "--out", "run")
    assert status == 0
    record = json.loads((tmp_path / "run/run.json").read_text())
    rows = list(csv.DictReader((tmp_path / "run/metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert rows[0]["train_loss"] == ""
    assert float(rows[-1]["test_accuracy"]) == record["final"]["test_accuracy"]
    assert record["config"]["num_workers"] == 3
    accuracy = record["final"]["test_accuracy"]
    assert out.splitlines()[-1] == f"run: test accuracy {accuracy:.2%}, outcome {record['outcome']}"


def test_the_same_run_gives_the_same_bytes_and_a_folder_of_its_own(train, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    train("--steps", "6", "--dropout", "0.5", "--out", "one")
    train("--steps", "6", "--dropout", "0.5")
    (folder,) = (tmp_path / "results/runs").iterdir()
    assert folder.name == json.loads((folder / "run.json").read_text())["run"]
    assert (folder / "metrics.csv").read_bytes() == (tmp_path / "one/metrics.csv").read_bytes()


def test_a_run_that_ends_early_says_so(train) -> None:  # type: ignore[no-untyped-def]
    _, out, _ = train("--learning-rate", "1000000", "--no-output-relu", "--epochs", "5")
    assert "stopped early at step" in out.splitlines()[-2]
    assert out.splitlines()[-1].endswith("test accuracy none, outcome non_finite")


HUGE = shlex.split("--num-workers 10000000 --steps 20000000 --evaluations-per-epoch 1")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num-workers", "41", "--epochs", "2"], "num_workers = 41: more than the 40 gradients of the run"),
        (["--batch-size", "81"], "batch_size = 81: larger than the training set of 80 images"),
        (["--train-eval-images", "81"], "train_eval_images = 81: the training set has only 80 images"),
        (["--momentum", "1"], "momentum = 1.0"),
        (["--data-source", "image_folder"], "path is missing"),
        (["--data-source", "image_folder", "--data-path", "nowhere"], "nowhere"),
        (["--device", "tpu"], "device = 'tpu'"),
        (["--dropout", "0.999999"], "dropout = 0.999999"),
        (["--engine", "reference", "--learning-rate", "1e39"], "learning_rate = 1e+39"),
        (["--epochs", "1e300"], "epochs = 1e+300"),
        (["--steps", "1" + "0" * 30], "steps = 1000"),
        (["--batch-size", "1000000000000"], "batch_size = 1000000000000"),
        (["--num-workers", "100000000000000"], "num_workers = 100000000000000"),
        (
            HUGE,
            "num_workers = 10,000,000: the weights of the workers take 2,480.2 GB",
        ),
        (["--steps", "1000000000"], "steps = 1,000,000,000 with evaluations_per_epoch = 4 are more than 1,000,000"),
        (["--data-path", ""], "data.path = ''"),
    ],
)
def test_a_wrong_value_is_one_line_and_leaves_no_run(train, tmp_path: Path, flags: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    status, out, error = train(*flags, "--out", "run")
    assert (status, out) == (1, "")
    assert error.startswith("asgd: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--out", ""],
        ["--checkpoints", ""],
        *(["--checkpoint-every", seconds] for seconds in ("nan", "inf", "-1", "soon")),
        ["--seed", "9" * 5000],
    ],
)
def test_a_flag_that_means_nothing_is_one_line(train, tmp_path: Path, flags: list[str], capsys) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit) as end:
        train(f"{flags[0]}={flags[1]}")
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert f"argument {flags[0]}: " in error
    assert error.count("\n") == 1
    assert len(error) < 500
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["claims", "calibration", "status", "verify", "pack x"])
@pytest.mark.parametrize("preset", ["../../evil", ""])
def test_no_preset_leads_out_of_the_results(command: str, preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), f"--preset={preset}"])
    assert f"argument --preset: '{preset}' cannot be the name of a preset" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["data", "pack runs.tar.xz", "status", "claims", "regroup --into batches", "verify"]
)
def test_a_preset_stands_in_the_file_that_a_flag_names(
    command: str, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main([*command.split(), "--params", str(study / "params.yaml"), "--preset", "other"])
    assert "presets" in capsys.readouterr().err


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that is not begun, for commands that print."""
    folder = tmp_path_factory.mktemp("study")
    preset = {"data": {"source": "synthetic"}, "seeds": [0], "experiments": {"e": {"num_workers": [1, 2]}}}
    (folder / "params.yaml").write_text(yaml.safe_dump({"preset": "p", "presets": {"p": preset}}), encoding="utf-8")
    return folder


def shell(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in which $ASGD is the program, with Python's usual buffers."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    variables |= {"ASGD": f"{sys.executable} -m asgd", **environment}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["status", "train --help", "--version"])
def test_output_that_nobody_reads_is_no_error(study: Path, command: str) -> None:
    done = shell(study, f"$ASGD {command} | true; exit ${{PIPESTATUS[0]}}")
    assert done.stderr == ""
    closed = shell(study, f"$ASGD {command} >&-")
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("command", ["status", "train --help", "--version"])
@pytest.mark.parametrize("buffers", ["", "1"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="skipped: no /dev/full")
def test_output_on_a_full_disk_is_one_line(study: Path, command: str, buffers: str) -> None:
    done = shell(study, f"$ASGD {command} > /dev/full", **({"PYTHONUNBUFFERED": buffers} if buffers else {}))
    said = (1, "asgd: error: standard output: No space left on device\n")
    assert (done.returncode, done.stderr) == said


NARROW = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def test_a_narrow_terminal_gets_every_word(study: Path) -> None:
    program = "from asgd.logs import tolerate_output; tolerate_output(); print('\\u2502 5 \\u00b5s \\udcff')"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **NARROW}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "+ 5 \\u00b5s \\udcff\n"
    described = (
        (study / "params.yaml").read_text(encoding="utf-8").replace("seeds:", "description: na\u00efve\n    seeds:")
    )
    (study / "narrow.yaml").write_text(described, encoding="utf-8")
    done = shell(study, "$ASGD status --params narrow.yaml", **NARROW)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 waiting" in done.stdout


def test_an_unknown_flag_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "--num-wokers", "3"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert "--num-wokers" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["train"], ["data"], ["claims"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert "usage: asgd" in capsys.readouterr().out


def test_help_does_not_wait_for_heavy_libraries() -> None:
    code = "import sys; from asgd.commands.parser import build_parser; build_parser(); "
    code += "print('torch' in sys.modules, 'pandas' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_every_key_of_the_configuration_is_a_flag() -> None:
    options = build_parser().parse_args(["train", "--no-output-relu", "--pools", "1", "--learning-rate", "0.5"])
    assert (options.output_relu, options.pools, options.learning_rate) == (False, 1, 0.5)


@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "num_workers": st.integers(1, 999),
            "momentum": st.floats(0, 0.99),
            "momentum_where": st.sampled_from(["server", "worker"]),
            "learning_rate": st.floats(1e-6, 10),
            "output_relu": st.booleans(),
            "pools": st.sampled_from([1, 2]),
            "steps": st.integers(1, 10**6),
            "seed": st.integers(0, 2**63 - 1),
        },
    )
)
def test_a_line_carries_any_configuration(values: dict[str, object]) -> None:
    data = DataConfig(source="image_folder", path="caf\u00e9 's \u2028/images")
    order = Order(run=validate(RunConfig, values, "test"), data=data, out="a b")
    assert validate(Order, json.loads(order.to_json()), "test") == order
    assert "\n" not in order.to_json()


def test_without_a_command_it_lists_them_by_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    paragraphs = [text.splitlines() for text in capsys.readouterr().out.split("\n\n")]
    listed = {head: [line.split()[0] for line in lines] for head, *lines in paragraphs if head in PURPOSES.values()}
    assert list(listed) == list(PURPOSES.values())
    assert "replay" in listed[PURPOSES["real"]]
    files = {name.replace("_", "-") for name in find_members("asgd.commands", Command)}
    assert sorted(name for names in listed.values() for name in names) == sorted(files)


COMMANDS = list_commands()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_narrow_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("example", [line for command in COMMANDS.values() for line in command.examples])
def test_examples_are_command_lines(example: str) -> None:
    program, *arguments = shlex.split(example)
    assert program == "asgd"
    assert build_parser().parse_args(arguments).run


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(ValueError, match="purpose = 'fun'; give one of train, study"):
        Command(purpose="fun", help="", description="")


def test_a_flag_says_its_default_as_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "(Section II) (default: 1)" in words
    assert "as the paper says (default: yes)" in words


def test_a_job_of_the_fused_engine_does_without_heavy_libraries(tmp_path: Path) -> None:
    """So that `asgd train` answers in about a second, and a job takes no memory for them."""
    flags = [*SYNTHETIC, "--steps", "4", "--out", "run"]
    code = f"import sys; from asgd.commands.cli import main; main({['train', *flags]!r})\n"
    heavy = ("torch", "torchvision", "pandas", "matplotlib", "scipy.linalg")
    code += f"print([name for name in {heavy!r} if name in sys.modules])"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert output.splitlines()[-1] == "[]"
    assert json.loads((tmp_path / "run/run.json").read_text())["engine"]["name"] == "fused"


@pytest.mark.parametrize("variant", ["vector", "plain"])
def test_the_kernels_can_be_forced(train, tmp_path: Path, variant: str) -> None:  # type: ignore[no-untyped-def]
    train("--steps", "4", "--kernels", variant, "--out", "run")
    assert json.loads((tmp_path / "run/run.json").read_text())["engine"]["variant"] == variant


def test_both_engines_start_alike(train, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for engine in ("fused", "reference"):
        train("--steps", "8", "--engine", engine, "--dropout", "0.5", "--num-workers", "3", "--out", engine)
    fused, reference = (
        [float(row["test_loss"]) for row in csv.DictReader((tmp_path / engine / "metrics.csv").open())]
        for engine in ("fused", "reference")
    )
    assert fused == pytest.approx(reference, rel=1e-5)


def test_the_module_is_the_command() -> None:
    assert subprocess.check_output([sys.executable, "-m", "asgd", "--version"], text=True).startswith("asgd ")
