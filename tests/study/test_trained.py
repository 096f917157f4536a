"""The runs that analyses train: packed with the study's, checked against their tables, and spared by `asgd prune`."""

import copy
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.commands.cli import main
from asgd.runs.archive import unpack_runs
from tests.pipeline import TINY, Project
from tests.study.test_verify import find_faults, repack, verify

#: Eight runs, and a map, so that the sharpness is measured: along runs of its own, which have probes.
PARAMS: dict[str, Any] = copy.deepcopy(TINY)
PARAMS["presets"]["tiny"] |= {
    "shipped": {"report": False, "runs": "packed.tar.xz"},
    "experiments": {
        "rates": {
            "num_workers": [1, 2],
            "learning_rate": [0.01, 0.02],
            "variants": [{"momentum": 0.0}, {"momentum": 0.9}],
        }
    },
    "analyses": {"sharpness": {"num_seeds": 1, "num_workers": [2], "epochs": [0, 1, 2], "num_images": 20}},
}
PARAMS["presets"]["tiny"]["run"]["engine"] = "reference"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study that has run to its end, with its runs packed by the command."""
    project = Project(tmp_path_factory.mktemp("finished"), PARAMS)
    project.snakemake()
    done = project.run("asgd", "pack", "results/packed.tar.xz")
    assert done.stdout == "results/packed.tar.xz: packed 8 of 8 runs, and 2 of 2 that its analyses trained\n"
    return project


@pytest.fixture
def clone(finished: Project, tmp_path: Path) -> Project:
    """As after `git clone`."""
    copied = finished.copy_to(tmp_path / "project")
    for name in ("results/runs", "results/kept", "results/tiny/.made", "data", "logs", ".snakemake"):
        shutil.rmtree(copied.folder / name)
    return copied


def change_sharpness(runs: dict[str, dict[str, bytes]]) -> None:
    """A hundredth more at the end of a run with probes, with the checksum in its record changed to match."""
    contents = next(files for files in runs.values() if "probes.csv" in files)
    table = pd.read_csv(io.BytesIO(contents["probes.csv"]))
    table.loc[table.index[-1], "sharpness"] += 0.01
    contents["probes.csv"] = table.to_csv(index=False).encode()
    record = json.loads(contents["run.json"]) | {"probes_sha256": hashlib.sha256(contents["probes.csv"]).hexdigest()}
    contents["run.json"] = json.dumps(record).encode()


def test_tables_of_an_analysis_that_trains_are_checked_against_packed_runs(clone: Project) -> None:
    checks = verify(clone)
    assert not [check for check in checks.values() if check.faults]
    assert checks["sharpness"].note == "sharpness.csv against 2 runs of packed.tar.xz"
    assert checks["packed runs"].note.endswith(" against 8 runs of packed.tar.xz")
    assert checks["by checksum"].note == "only: nothing"
    repack(clone, change_sharpness)
    faults = find_faults(clone)
    assert faults.keys() == {"sharpness"}
    assert faults["sharpness"].startswith("tables/sharpness.csv: line 4: sharpness is ")


def test_they_are_checked_against_runs_in_the_store_too(clone: Project) -> None:
    packed = clone.folder / "results/packed.tar.xz"
    sound = packed.read_bytes()
    repack(clone, change_sharpness)
    unpack_runs(packed, clone.folder / "results/runs")
    packed.write_bytes(sound)
    check = verify(clone)["sharpness"]
    assert check.note.startswith("sharpness.csv against 2 runs of packed.tar.xz, 2 runs of ")
    assert len(check.faults) == 1


def test_without_its_runs_an_analysis_is_left_to_its_checksum(clone: Project) -> None:
    def drop(runs: dict[str, dict[str, bytes]]) -> None:
        del runs[next(name for name, files in runs.items() if "probes.csv" in files)]

    repack(clone, drop)
    checks = verify(clone)
    assert not [check for check in checks.values() if check.faults]
    assert (checks["sharpness"].skipped, checks["sharpness"].note) == (True, "needs the runs that it trains")
    assert checks["by checksum"].note == "only: tables/sharpness.csv"


def test_a_damaged_run_or_record_is_named_and_nothing_is_pruned(
    clone: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone.folder)
    unpack_runs(Path("results/packed.tar.xz"), Path("results/runs"))
    probed = next(Path("results/runs").glob("*-probed-*"))
    (probed / "probes.csv").write_text("step\n")
    Path("results/tiny/tables/runs.csv").write_text("damaged")
    assert main(["prune"]) == 0  # which needs neither
    assert capsys.readouterr().out.endswith("results/runs: nothing to delete\n")
    assert main(["pack", "again.tar.xz"]) == 0
    assert f"{probed}/probes.csv: truncated or edited" in find_faults(clone)["sharpness"]
    assert verify(clone)["by checksum"].note == "only: nothing"
    Path("results/tiny/tables/study.json").write_text('{"experiments": {}, "trained": [1]}')
    for command in ("prune --yes", "pack again.tar.xz"):
        assert main(command.split()) != 0
        assert "study.json: lists no runs of analyses; make it again" in capsys.readouterr().err
    assert probed.exists()


def test_unpacked_runs_of_an_analysis_are_not_trained_again_nor_pruned(
    clone: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone.folder)
    assert main(["unpack", "results/packed.tar.xz"]) == 0
    assert main(["prune"]) == 0
    assert capsys.readouterr().out.endswith("results/runs: nothing to delete\n")
    (clone.folder / "results/tiny/tables/sharpness.csv").unlink()
    times = {path: path.stat().st_mtime_ns for path in Path("results/runs").glob("*/run.json")}
    clone.snakemake()
    assert {path: path.stat().st_mtime_ns for path in Path("results/runs").glob("*/run.json")} == times
