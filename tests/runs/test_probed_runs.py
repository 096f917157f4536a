"""The folder of a run with probes: its files, its name, and what becomes of it in archives, tables and the store."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asgd.commands.cli import main
from asgd.data import load_data, prepare_data
from asgd.errors import AsgdError
from asgd.runs.archive import pack_runs, unpack_runs
from asgd.runs.folder import format_run, is_finished, list_files, read_run, write_run
from asgd.runs.kept import keep_runs, restore_runs
from asgd.runs.pool import Pool
from asgd.runs.sources import identify_run
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.tables.aggregate import summarize_arms, tabulate_runs
from asgd.tables.columns import AGGREGATED
from tests.pipeline import ROOT

CONFIG = RunConfig(probes={"displacement": {"every": 4}}, train_eval_images=0)
PLAIN = CONFIG.model_copy(update={"probes": {}})
DATA = DataConfig(source="synthetic", num_train=40, num_test=20)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of a probed run and the same without probes."""
    dataset = load_data(prepare_data(DATA, tmp_path / "data", progress=False))
    for config in (CONFIG, PLAIN):
        write_run(
            format_run(train_run(config, dataset)), tmp_path / "runs" / identify_run(config, dataset.fingerprint).name
        )
    return tmp_path / "runs"


def names(store: Path) -> tuple[str, str]:
    """The probed run, and the plain one."""
    plain, probed = sorted((path.name for path in store.iterdir()), key=lambda name: "probed" in name)
    return probed, plain


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_name_says_which_files_there_are(store: Path) -> None:
    probed, plain = names(store)
    assert sorted(contents(store / probed)) == ["metrics.csv", "probes.csv", "run.json"] == sorted(list_files(probed))
    assert sorted(contents(store / plain)) == ["metrics.csv", "run.json"] == sorted(list_files(plain))
    assert (store / probed / "metrics.csv").read_bytes() == (store / plain / "metrics.csv").read_bytes()
    assert Pool(store).read_whole(probed)[2]["probes.csv"].decode().splitlines()[1].startswith("0,0.0,,,,0.0")
    (store / probed / "probes.csv").unlink()
    assert not is_finished(store / probed)


@pytest.mark.parametrize("change", [lambda text: text[:-5], lambda text: text.replace("staleness", "stale")])
def test_edited_probes_are_named(store: Path, change) -> None:  # type: ignore[no-untyped-def]
    file = store / names(store)[0] / "probes.csv"
    file.write_text(change(file.read_text()))
    with pytest.raises(AsgdError, match=r"probes\.csv: truncated or edited"):
        read_run(file.parent)


def test_packed_and_kept_runs_come_back_with_their_probes(store: Path, tmp_path: Path) -> None:
    before = contents(store)
    keep_runs(names(store), Pool(store), tmp_path / "kept")
    assert pack_runs(names(store), Pool(store), tmp_path / "runs.tar.xz") == 2
    assert unpack_runs(tmp_path / "runs.tar.xz", tmp_path / "unpacked") == 2
    assert contents(tmp_path / "unpacked") == before
    both = names(store)
    shutil.rmtree(store)
    assert restore_runs(both, Pool(store), tmp_path / "kept") == 2
    assert contents(store) == before


def test_tables_have_a_column_of_probes_only_where_a_run_has_some(store: Path) -> None:
    probed, plain = names(store)
    runs, _ = tabulate_runs([read_run(store / plain)], {})
    assert list(runs.columns) == list(AGGREGATED["runs"].columns)
    runs, _ = tabulate_runs(map(read_run, [store / plain, store / probed]), {})
    assert list(runs.columns) == [*AGGREGATED["runs"].columns, "probes"]
    row = runs.set_index("run").loc[probed]
    assert RunConfig(probes=row["probes"]) == RunConfig(probes=CONFIG.model_dump()["probes"])
    assert list(summarize_arms(runs).columns) == [*AGGREGATED["arms"].columns, "probes"]


def test_probes_are_a_flag_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = [
        "--data-source",
        "synthetic",
        "--data-num-train",
        "40",
        "--data-num-test",
        "20",
        "--train-eval-images",
        "0",
    ]
    assert main(["train", *flags, "--probes", '{"displacement": {"every": 4}}']) == 0
    (folder,) = (tmp_path / "results/runs").iterdir()
    assert read_run(folder)[0]["config"]["probes"] == CONFIG.model_dump()["probes"]


#: Prints the names of runs without probes, with two, with one, as the sources are and with each file edited.
NAMES = """
import sys
from pathlib import Path
from asgd.runs.pool import Pool
from asgd.runs.sources import forget_sources, identify_run
from asgd.settings.run import RunConfig
for name in ["", *sys.argv[1:]]:
    text = Path(name).read_text() if name else ""
    if name:
        Path(name).write_text(text + "\\nEDITED = 1\\n")
    forget_sources()
    probes = {}, {"logits": {}, "sharpness": {}}, {"displacement": {}}
    print(*(identify_run(RunConfig(probes=one), "0" * 64).name for one in probes))
    if name:
        Path(name).write_text(text)
"""


def test_the_sources_of_a_probe_are_part_of_the_names_of_runs_that_have_it(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    sources = Path(shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)) / "asgd"
    edits = ["logits.py", "displacement.py", "probed.py", "../networks/paper.py", "../fused/sink.py"]
    command = [sys.executable, "-c", NAMES, *(str(sources / "simulator/probes" / name) for name in edits)]
    environment = {**os.environ, "PYTHONPATH": str(sources.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before, *after = (line.split() for line in done.stdout.splitlines())
    renamed = {
        name: [a != b for a, b in zip(before, line, strict=True)] for name, line in zip(edits, after, strict=True)
    }
    assert renamed == {
        "logits.py": [False, True, False],
        "displacement.py": [False, False, True],
        "probed.py": [False, True, True],
        "../networks/paper.py": [False, True, False],
        "../fused/sink.py": [True, True, True],
    }
