"""What the package says of itself, and its wheel: what is in it, and that it works where nothing else is installed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import asgd
from tests.pipeline import ROOT

UV = Path(sys.prefix, "bin/uv")
needs_uv = pytest.mark.skipif(not UV.exists(), reason="skipped: not in the environment that make makes")

SETTINGS: dict[str, Any] = {"num_workers": 3, "learning_rate": 0.02, "steps": 200, "progress": False}
PROGRAM = f"""
import importlib.util
import asgd
assert importlib.util.find_spec("torch") is None
table = asgd.simulate(**{SETTINGS})
table.to_csv("table.csv", index=False)
study = asgd.load_study("pilot", {str(ROOT / "results")!r})
assert len(study.tables["runs"]) > 0
assert "C1" in study.verdicts.index
print(table.attrs["record"]["run"])
"""


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, for the build leaves files beside the sources; nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    done = run(UV, "build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable, folder=folder)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("dist/*.whl")
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The program folder of an environment that has the wheel and what it requires, in the locked versions."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(UV, "venv", "--quiet", "--python", sys.executable, folder / ".venv", folder=folder).returncode == 0
    settings = Path(sys.prefix, "uv.toml")
    install = [UV, *(["--config-file", settings] if settings.exists() else []), "pip", "install", "--quiet"]
    install += ["--python", folder / ".venv/bin/python"]
    done = run(*install, "--constraints", ROOT / "requirements.lock", *PROJECT["dependencies"], folder=folder)
    if done.returncode:
        pytest.skip(f"skipped: no package registry ({done.stderr.splitlines()[-1]})")
    done = run(*install, "--no-deps", wheel, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / ".venv/bin"


def test_the_citation_says_what_the_package_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert asgd.__version__ == PROJECT["version"] == citation["version"]
    for key in ("license", "keywords", "authors"):
        assert PROJECT[key] == citation[key]


def test_the_changelog_begins_with_this_version_and_its_date() -> None:
    (newest, *_) = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = yaml.safe_load((ROOT / "CITATION.cff").read_text())["date-released"]
    assert newest == f"[{asgd.__version__}] - {released}"


def test_the_citation_has_the_paper_as_the_report_cites_it() -> None:
    (paper,) = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    (entry,) = re.findall(r"\{paper,\n(.*?)\n\}", (ROOT / "report/references.bib").read_text(), re.DOTALL)
    assert f"{{{paper['title']}}}" in entry
    assert f"{{{' and '.join(author['family-names'] for author in paper['authors'])}}}" in entry


def test_continuous_integration_runs_the_checks_on_pythons_that_the_package_names() -> None:
    (job,) = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text())["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert os.access(ROOT / ".ci/run", os.X_OK)
    tried = {f"Programming Language :: Python :: {version}" for version in job["strategy"]["matrix"]["python"]}
    assert tried < set(PROJECT["classifiers"])


@pytest.mark.slow
@needs_uv
def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    files = (path for path in (ROOT / "src/asgd").rglob("*") if path.is_file() and path.suffix != ".pyc")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("asgd-")}
    assert packed == {path.relative_to(ROOT / "src").as_posix() for path in files}


@pytest.mark.slow
@needs_uv
def test_it_trains_the_same_run_and_reads_the_same_study(fresh: Path, tmp_path: Path) -> None:
    here = asgd.simulate(**SETTINGS)
    done = run(fresh / "python", "-I", "-c", PROGRAM, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [here.attrs["record"]["run"]]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), here, check_exact=True)


@pytest.mark.slow
@needs_uv
def test_it_has_the_command(fresh: Path, tmp_path: Path) -> None:
    assert run(fresh / "asgd", "--version", folder=tmp_path).stdout == f"asgd {asgd.__version__}\n"
    done = run(fresh / "asgd", "train", "--engine=reference", "--data-source=synthetic", folder=tmp_path)
    assert done.stderr.splitlines()[-1].endswith(
        "needs PyTorch, of the extra torch: in a clone, pip install '.[torch]'"
    )
