"""The package from Python: one run as a table, a study's results, and what is said where a library is missing."""

import ast
import doctest
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import asgd
import asgd.runs.simulated
import asgd.study.loaded
from asgd.commands.cli import main
from asgd.data import load_data, prepare_data
from asgd.data.synthetic import draw_synthetic
from asgd.extras import LIBRARIES
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.simulate import METRICS_COLUMNS
from tests.pipeline import ROOT

#: Images, and a run on them, that take a moment.
FEW = {"source": "synthetic", "num_train": 80, "num_test": 20}
SHORT: dict[str, Any] = {"train_eval_images": 10, "progress": False}


@pytest.mark.parametrize("module", [asgd.runs.simulated, asgd.study.loaded], ids=lambda module: module.__name__)
def test_examples_of_the_docstrings_run(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


def test_a_run_is_that_of_asgd_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = asgd.simulate(FEW, num_workers=3, momentum=0.9, epochs=2, **SHORT)
    assert list(tmp_path.iterdir()) == []
    flags = [f"--data-{key.replace('_', '-')}={value}" for key, value in FEW.items()]
    flags += ["--num-workers=3", "--momentum=0.9", "--epochs=2", "--train-eval-images=10", "--out=run"]
    assert main(["train", *flags]) == 0
    pd.testing.assert_frame_equal(table, pd.read_csv("run/metrics.csv"), check_exact=True)
    assert tuple(table) == METRICS_COLUMNS
    record = json.loads(Path("run/run.json").read_text())
    same = ("run", "config", "data", "sources", "engine", "outcome", "staleness", "final")
    assert {key: table.attrs["record"][key] for key in same} == {key: record[key] for key in same}
    assert table.attrs["outcome"] == record["outcome"]


def test_images_are_given_by_keys_opened_or_as_arrays(tmp_path: Path) -> None:
    data = DataConfig(**FEW)
    keys = asgd.simulate(FEW, **SHORT)
    opened = asgd.simulate(load_data(prepare_data(data, tmp_path)), **SHORT)
    arrays = asgd.simulate(draw_synthetic(80, 20, seed=0), **SHORT)
    other = asgd.simulate({**FEW, "seed": 1}, **SHORT)
    pd.testing.assert_frame_equal(keys, opened, check_exact=True)
    pd.testing.assert_frame_equal(keys, arrays, check_exact=True)
    assert not keys.equals(other)
    assert keys.attrs["record"]["data"] == opened.attrs["record"]["data"]


def test_arrays_that_compiled_code_would_misread_are_refused() -> None:
    images = draw_synthetic(80, 20, seed=0)
    wrong: dict[str, Any] = {
        "train_images": images.train_images.astype(float),
        "test_images": images.test_images.transpose(0, 3, 1, 2),
        "train_labels": images.train_labels[:-1],
        "test_labels": images.test_labels + 1,
    }
    for name, array in wrong.items():
        with pytest.raises(asgd.AsgdError, match=f"^{name}: .*; give"):
            asgd.simulate(replace(images, **{name: array}), **SHORT)


def test_settings_may_come_from_arrays_and_faults_name_the_key() -> None:
    sweep = [asgd.simulate(FEW, num_workers=m, learning_rate=eta, **SHORT) for m, eta in [np.array([2, 0.1])]]
    assert sweep[0].attrs["record"]["config"]["num_workers"] == 2
    with pytest.raises(asgd.AsgdError, match=r"^asgd\.simulate: unknown key 'num_worker'; keys allowed here are num_w"):
        asgd.simulate(num_worker=2)
    with pytest.raises(asgd.AsgdError, match=r"^asgd\.simulate: data: unknown key 'sauce'"):
        asgd.simulate({"sauce": "synthetic"})
    with pytest.raises(asgd.AsgdError, match="more than the 20 gradients"):
        asgd.simulate(FEW, num_workers=21, **SHORT)
    with pytest.raises(asgd.AsgdError, match="use `asgd train`"):
        asgd.simulate(execution="replayed")


def test_what_probes_find_is_beside_the_table() -> None:
    table = asgd.simulate(FEW, probes={"silence": {"epochs": [0, 1]}}, **SHORT)
    probes = pd.DataFrame(table.attrs["probes"])
    assert probes["epoch"].to_list() == [0, 1]
    assert probes["silent_images"].between(0, 1).all()
    assert "probes" not in asgd.simulate(FEW, **SHORT).attrs


def test_a_terminal_shows_a_bar_and_a_log_gets_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asgd.simulate(FEW, train_eval_images=10)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # Rich takes any stream for a terminal then
    asgd.simulate(FEW, train_eval_images=10)
    assert "20/20" in capsys.readouterr().err
    asgd.simulate(FEW, train_eval_images=10, progress=False)
    assert capsys.readouterr() == ("", "")


def test_help_shows_every_key() -> None:
    shown = inspect.signature(asgd.simulate).parameters
    assert set(shown) == {"data", "data_root", "kernels", "progress", *RunConfig.model_fields}
    assert shown["num_workers"].default == 1


def test_the_reference_engine_gives_the_threads_back() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        asgd.simulate(FEW, engine="reference", steps=10, **SHORT)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_study_has_its_tables_verdicts_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # so it is found beside the sources
    study = asgd.load_study("paper-jpeg")
    assert set(study.tables) == {path.stem for path in (ROOT / "results/paper-jpeg/tables").glob("*.csv")}
    assert len(study.tables) > 4
    assert study.tables["arms"] is study.tables["arms"]
    assert study.tables["arms"]["arm"].str.len().eq(8).all()  # text, not a number
    assert all(path.is_file() for path in study.figures.values())
    assert "figure1_delay" in study.figures
    verdicts = json.loads((study.folder / "claims.json").read_text())["verdicts"]
    assert study.verdicts["verdict"].to_list() == [one["verdict"] for one in verdicts]
    assert study.verdicts["high"].to_list() == pytest.approx([one["interval"][1] for one in verdicts])
    assert {"C1", "C4-server-ema"} <= set(study.verdicts.index)


def test_the_nearest_results_that_have_the_study_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "results/mine"
    (mine / "tables").mkdir(parents=True)
    shutil.copy(ROOT / "results/pilot/claims.json", mine)
    (mine / "tables/damaged.csv").write_bytes(b"\xff\xfe\n1")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    study = asgd.load_study("mine")
    assert study.folder == mine
    assert asgd.load_study("pilot").folder == ROOT / "results/pilot"
    with pytest.raises(asgd.AsgdError, match=r"damaged\.csv: cannot be read as a table"):
        study.tables["damaged"]
    with pytest.raises(KeyError):
        study.tables["absent"]
    (mine / "claims.json").write_text("{}")
    with pytest.raises(asgd.AsgdError, match=r"claims\.json: holds no verdicts"):
        asgd.load_study("mine").verdicts  # noqa: B018


def test_where_there_is_no_study_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(asgd.AsgdError, match=r"holds no study; work in a clone of asgd, .* or give results=FOLDER"):
        asgd.load_study("paper-jpeg", tmp_path)
    with pytest.raises(asgd.AsgdError, match=r"results: has no study 'papers'; the studies are .*paper-jpeg"):
        asgd.load_study("papers", ROOT / "results")


PROBED = '{"sharpness": {"epochs": [0]}}'
TORCH = "needs PyTorch, of the extra torch: in a clone, pip install '.[torch]'"
#: What needs a library that may be missing, and the message's beginning.
NEEDS = {
    "simulate(engine='reference')": f"engine = reference (asked for) {TORCH}",
    "simulate(network='resnet8')": "engine = reference (fused has no network = resnet8) needs PyTorch",
    f"simulate(probes={PROBED}, steps=8)": f"probes = sharpness {TORCH}",
    "simulate({'source': 'cifar10'})": f"data.source = cifar10 {TORCH}".replace("PyTorch", "torchvision"),
    "torch": f"asgd.torch {TORCH}",
}
COMMANDS = {
    "train --network resnet8 --data-source synthetic": NEEDS["simulate(network='resnet8')"],
    "data --data-source cifar10": NEEDS["simulate({'source': 'cifar10'})"],
    "bench": TORCH,
    "claims": "needs statsmodels, of the extra pipeline: in a clone, pip install '.[pipeline]'",
    "verify": "needs ",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with which Python finds none of the libraries that extras bring."""
    folder = tmp_path_factory.mktemp("bare")
    for name in LIBRARIES:
        (folder / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})\n")
    return folder


def run_bare(bare: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{bare}:{ROOT / 'src'}"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_what_needs_a_missing_library_says_which_extra_has_it(bare: Path, tmp_path: Path) -> None:
    lines = [f"attempt(lambda: asgd.{call})" for call in NEEDS if call != "torch"]
    lines += ["attempt(lambda: __import__('asgd.torch'))"]
    program = (
        "import asgd\ndef attempt(call):\n    try:\n        call()\n    except asgd.AsgdError as error:\n"
        "        print(error)\n        assert isinstance(error, ImportError)\n"
    )
    done = run_bare(bare, tmp_path, "-c", "\n".join([program, *lines]))
    assert done.returncode == 0, done.stderr
    for line, expected in zip(done.stdout.splitlines(), NEEDS.values(), strict=True):
        assert line.startswith(expected)


@pytest.mark.parametrize("command", COMMANDS)
def test_so_does_the_command(bare: Path, tmp_path: Path, command: str) -> None:
    done = run_bare(bare, tmp_path, "-m", "asgd", *command.split())
    assert done.returncode == 1
    assert done.stderr.startswith(f"asgd: error: {COMMANDS[command]}")
    assert len(done.stderr.splitlines()) == 1


def test_stability_needs_no_extra(bare: Path, tmp_path: Path) -> None:
    done = run_bare(bare, tmp_path, "-m", "asgd", "stability", "--num-workers", "10", "--sharpness", "5")
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, asgd; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"matplotlib", "numba", "numpy", "pandas", "pydantic", "rich", "scipy", "torch"}
    assert not heavy & set(done.stdout.split())


def test_the_stub_has_the_names_that_are_handed_on() -> None:
    tree = ast.parse((ROOT / "src/asgd/__init__.pyi").read_text())
    imported = {
        alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert sorted(imported) == sorted(asgd.__all__) == dir(asgd)
    assert {name: getattr(asgd, name).__module__ for name in asgd.__all__} == imported
    with pytest.raises(AttributeError, match="module 'asgd' has no attribute 'simulation'"):
        asgd.simulation  # type: ignore[attr-defined]  # noqa: B018


#: What is imported by another name than the package's, or comes with a package.
PACKAGES = {
    "yaml": "pyyaml",
    "PIL": "pillow",
    "vl_convert": "vl-convert-python",
    "llvmlite": "numba",
    "pydantic_core": "pydantic",
}


def test_each_library_that_may_be_missing_is_in_the_extra_that_the_message_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        extra: {re.split(r"[^\w-]", one)[0] for one in needed}
        for extra, needed in project["optional-dependencies"].items()
    }
    always = {re.split(r"[^\w-]", one)[0] for one in project["dependencies"]}
    for library, (_, extra) in LIBRARIES.items():
        name = PACKAGES.get(library, library)
        assert name in extras[extra]
        assert name not in always
    imported = set()
    for path in (ROOT / "src/asgd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    foreign = {PACKAGES.get(name, name) for name in imported - sys.stdlib_module_names - {"asgd"}}
    assert foreign == always | {PACKAGES.get(name, name) for name in LIBRARIES}
