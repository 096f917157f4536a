"""Which edits rename which runs, on a copy of the sources; and which edits are accepted, by training again."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asgd.runs.sources import find_sources, list_families
from asgd.settings.run import RunConfig
from tests.pipeline import ROOT, TINY, Project

ENGINES, SOURCES = ("fused", "reference"), ("cifar10", "image_folder", "synthetic")

#: Prints the names of runs on every source of images, by either engine, with each file of the command line edited.
NAMES = """
import json, sys
from pathlib import Path
from asgd.settings.study import DataConfig, RunConfig
from asgd.data import source_fingerprint
from asgd.runs.sources import forget_sources, identify_run

IMAGES = {
    "cifar10": DataConfig(),
    "image_folder": DataConfig(source="image_folder", path="x", sha256="a" * 64),
    "synthetic": DataConfig(source="synthetic"),
}

def names():
    forget_sources()
    return {
        f"{engine} {source}": identify_run(RunConfig(engine=engine, momentum=0.9), source_fingerprint(data)).name
        for engine in ("fused", "reference") for source, data in IMAGES.items()
    }

found = {"": names()}
for name in sys.argv[1:]:
    before = Path(name).read_text()
    Path(name).write_text(before + "\\nEDITED = 1\\n")
    found[name] = names()
    Path(name).write_text(before)
print(json.dumps(found))
"""

#: The keys that runs had when they were first named.
FIRST_KEYS = """
num_workers momentum momentum_where momentum_convention dropout output_relu pools learning_rate batch_size epochs steps
evaluations_per_epoch train_eval_images engine device seed
"""


#: Prints the names of runs with other members than the paper's, with each file of the command line edited.
MEMBERS = """
import json, sys
from pathlib import Path
from asgd.settings.run import RunConfig
from asgd.runs.sources import forget_sources, identify_run

RUNS = {
    "paper": {}, "latency": {"schedule": "latency"}, "discard": {"policy": "discard", "max_staleness": 9},
    "gap_aware": {"update": "gap_aware"}, "resnet8": {"network": "resnet8"}, "resnet20": {"network": "resnet20"},
}

def names():
    forget_sources()
    return {name: identify_run(RunConfig(**keys), "0").name for name, keys in RUNS.items()}

before, found = names(), {}
for name in sys.argv[1:]:
    text = Path(name).read_text()
    Path(name).write_text(text + "\\nEDITED = 1\\n")
    found[Path(name).stem] = [run for run, there in names().items() if there != before[run]]
    Path(name).write_text(text)
print(json.dumps(found))
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of src, to add to."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    return Path(shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored))


def name_runs(sources: Path, *edited: Path) -> dict[str, dict[str, str]]:
    """Names of runs as the sources are (key ""), and with each of the files ``edited``: {file: {kind: name}}."""
    done = subprocess.run(
        [sys.executable, "-c", NAMES, *map(str, edited)],
        env={**os.environ, "PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_an_edit_renames_the_runs_that_use_the_file_and_no_others(sources: Path) -> None:
    used = {name: {path.relative_to(ROOT / "src") for path in find_sources(name).values()} for name in list_families()}
    # A package's __init__ counts as soon as it does more than hand names on.
    every = [path for path in sorted((sources / "asgd").rglob("*.py")) if path.name != "__init__.py"]
    names = name_runs(sources, *every)
    for path in every:
        renamed = {kind for kind, name in names[str(path)].items() if name != names[""][kind]}
        own = path.relative_to(sources)
        expected = {f"{e} {s}" for e in ENGINES for s in SOURCES if own in used[e] | used[f"data/{s}"]}
        assert renamed == expected, own


@pytest.mark.parametrize(
    ("family", "modules"),
    [
        ("fused", "runs.train runs.checkpoint simulator.streams simulator.simulate simulator.fused.engine"),
        ("reference", "runs.train simulator.networks.paper simulator.server simulator.outcome"),
        ("data/synthetic", "data.synthetic data.dataset"),
        ("data/image_folder", "data.image_folder data.dataset"),
        ("data/cifar10", "data.cifar10 data.dataset"),
    ],
)
def test_what_decides_numbers_is_found(family: str, modules: str) -> None:
    found = find_sources(family)
    assert {f"asgd.{name}" for name in modules.split()} <= found.keys()
    assert not {
        f"asgd.{name}" for name in ("settings.run", "commands.train", "files", "runs.orders", "simulator.engines")
    } & (found.keys())


def test_a_new_key_engine_or_command_renames_nothing(sources: Path) -> None:
    before = name_runs(sources)
    additions = {
        "settings/run.py": (
            '    seed: Seed = parameter(0, description="seed of all',
            '    clip: float | None = parameter(None, as_before=None, ge=0, description="largest norm")\n',
        ),
        "simulator/engines.py": ("ENGINES = {", 'OTHERS = {"other": "asgd.simulator.other"}\n'),
    }
    for name, (place, addition) in additions.items():
        text = (sources / "asgd" / name).read_text()
        assert place in text
        (sources / "asgd" / name).write_text(text.replace(place, addition + place, 1))
    (sources / "asgd/simulator/other.py").write_text("class OtherEngine: ...\n")
    shutil.copy(sources / "asgd/commands/unpack.py", sources / "asgd/commands/new.py")
    assert name_runs(sources) == before


def test_a_key_without_a_value_that_means_as_before_is_one_of_the_first() -> None:
    """Another key must have an ``as_before``, or it renames every run."""
    assert set(RunConfig().hashed()) == set(FIRST_KEYS.split())


#: Three runs by the engine that needs no compiling.
SMALL: dict[str, Any] = copy.deepcopy(TINY)
SMALL["presets"]["tiny"]["run"] |= {"engine": "reference", "epochs": 1}
SMALL["presets"]["tiny"]["experiments"] = {"delay": {"num_workers": [1, 2]}, "dropout": {"dropout": [0.0, 0.5]}}
STEP = "self.weights.add_(self._direction(worker, corrected), alpha=rate)"
#: The same by other code.
EQUAL = f"again = rate\n        {STEP.replace('alpha=rate', 'alpha=again')}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished study whose runs are named by the sources as they are."""
    made = Project(tmp_path_factory.mktemp("project"), SMALL)
    (made.folder / "src/asgd/accepted.json").write_text("{}")
    made.snakemake("--", "tables")
    assert "nothing new to accept; every run has its name" in accept(made)
    return made


def accept(project: Project, *flags: str) -> str:
    command = (sys.executable, "-m", "asgd", "sources", "accept", *flags)
    return project.run("env", f"PYTHONPATH={project.folder / 'src'}", *command).stdout


def test_images_that_were_never_accepted_are_said_and_left_out(project: Project, tmp_path: Path) -> None:
    copied = project.copy_to(tmp_path / "copy")
    reader = copied.folder / "src/asgd/data/synthetic.py"
    reader.write_text(reader.read_text() + "\nEDITED = True\n")
    (copied.folder / "src/asgd/accepted.json").write_text("{}")
    output = accept(copied)
    assert "tiny: runs get new names, since the earlier sources of their images were never accepted" in output


def missing_runs(project: Project) -> int:
    return project.planned_jobs().get("train_run", 0)


@pytest.fixture
def server(project: Project) -> Any:
    """The server's source; it and what is accepted are put back."""
    files = [project.folder / "src/asgd" / name for name in ("simulator/server.py", "accepted.json")]
    texts = [file.read_text() for file in files]
    assert STEP in texts[0]
    yield files[0]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)


def test_an_edit_that_changes_numbers_is_not_accepted(project: Project, server: Path) -> None:
    accepted = server.parents[1] / "accepted.json"
    before = accepted.read_text()
    server.write_text(server.read_text().replace("alpha=rate", "alpha=1.0001 * rate"))
    assert missing_runs(project) == 3
    output = accept(project, "--runs", "3")
    assert output.count(": differs, train_loss by") == 3
    assert "asgd: error: 3 runs have other numbers now" in output
    assert accepted.read_text() == before


def test_an_edit_that_leaves_the_numbers_equal_is_accepted(project: Project, server: Path) -> None:
    text = server.read_text()
    server.write_text(text.replace(STEP, EQUAL))
    assert missing_runs(project) == 3
    output = accept(project, "--runs", "3")
    assert output.count(": equal\n") == 3, output
    assert missing_runs(project) == 0
    entry = json.loads((server.parents[1] / "accepted.json").read_text())["reference"]
    assert len(entry["evidence"]["runs"]["tiny"]) == 3
    server.write_text(text + "\nEDITED = 1\n")
    assert missing_runs(project) == 3  # what was accepted are those sources and no others


def test_verify_compares_what_was_accepted_with_the_tables(project: Project, server: Path) -> None:
    server.write_text(server.read_text().replace(STEP, EQUAL))
    accept(project, "--runs", "3")
    file = server.parents[1] / "accepted.json"
    whole = json.loads(file.read_text())
    assert verify(project) == "ok"
    runs = whole["reference"]["evidence"]["runs"]["tiny"]
    for damage in ({**runs, next(iter(runs)): "0" * 64}, {**runs, "m9-lr0.01-seed0-000000000000": "0" * 64}):
        whole["reference"]["evidence"]["runs"]["tiny"] = damage
        file.write_text(json.dumps(whole))
        assert verify(project) == "MISMATCH"
    whole["reference"]["evidence"] = {}
    file.write_text(json.dumps(whole))
    assert verify(project) == "MISMATCH"


def verify(project: Project) -> str:
    """What `asgd verify` says of accepted sources."""
    command = (sys.executable, "-m", "asgd", "verify", "--preset", "tiny")
    lines = project.run("env", f"PYTHONPATH={project.folder / 'src'}", *command).stdout.splitlines()
    (line,) = [line for line in lines if line.split()[:1] == ["accepted"]]
    return line.split()[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runs", "0"], "argument --runs: '0' is not a whole number of at least 1"),
        (["--jobs", "two"], "argument --jobs: 'two' is not a whole number of at least 1"),
        (
            ["--rounding", "loss"],
            "--rounding loss: not a column of metrics.csv; the columns are step, epoch, train_loss",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(project: Project, flags: list[str], message: str) -> None:
    (line,) = accept(project, *flags).splitlines()
    assert message in line


def test_where_a_table_was_made_elsewhere_the_earlier_sources_are_the_measure(project: Project, server: Path) -> None:
    """Another machine's last bits are imitated in the table; the project is a repository of one commit."""
    table = project.folder / "results/tiny/tables/evaluations.csv"
    text = table.read_text()
    for command in (["init", "--quiet"], ["add", "src"], ["commit", "--quiet", "--message", "Sources"]):
        assert project.run("git", "-c", "user.name=T", "-c", "user.email=t@example.org", *command).returncode == 0
    lines = text.splitlines()
    column = lines[0].split(",").index("test_loss")
    cells = [line.split(",") for line in lines[1:]]
    others = [",".join([*row[:column], repr(float(row[column]) * 1.0001), *row[column + 1 :]]) for row in cells]
    table.write_text("\n".join([lines[0], *others, ""]))
    server.write_text(server.read_text().replace(STEP, EQUAL))
    assert "runs have other numbers now" in accept(project, "--runs", "1")
    user = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    assert project.run("git", *user, "commit", "--quiet", "--all", "--message", "Edit").returncode == 0
    assert "give a commit with the same name" in accept(project, "--runs", "1", "--earlier", "HEAD")
    output = accept(project, "--runs", "1", "--earlier", "HEAD~1")
    assert "--earlier none: the sources of this commit cannot be read" in accept(project, "--earlier", "none")
    table.write_text(text)
    assert "other than the table, equal by the earlier sources here" in output
    assert "runs_by_earlier" in json.loads((server.parents[1] / "accepted.json").read_text())["reference"]["evidence"]


def test_a_member_is_part_of_the_runs_that_chose_it(sources: Path) -> None:
    folder = sources / "asgd/simulator"
    files = [
        folder / f"{name}.py"
        for name in (
            "schedules/latency",
            "policies/discard",
            "updates/gap_aware",
            "networks/resnet8",
            "networks/resnet",
        )
    ]
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    command = [sys.executable, "-c", MEMBERS, *map(str, files)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        **{name: [name] for name in ("latency", "discard", "gap_aware", "resnet8")},
        "resnet": ["resnet8", "resnet20"],
    }
