"""Packing runs, putting them back, and deleting those that nobody asks for."""

import tarfile
from pathlib import Path

import pytest
import yaml

from asgd.cli import main
from asgd.config import Params
from asgd.errors import AsgdError
from asgd.pool import find_unused, measure_size, pack_runs, remove_unused, unpack_runs
from asgd.study import plan_study


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    for name in ("a-1", "b-2", "unfinished-3"):
        (tmp_path / "pool" / name).mkdir(parents=True)
        (tmp_path / "pool" / name / "metrics.csv").write_text(f"step\n{name}\n")
    for name in ("a-1", "b-2"):
        (tmp_path / "pool" / name / "run.json").write_text("{}")
    return tmp_path / "pool"


def contents(pool: Path) -> dict[str, bytes]:
    return {str(path.relative_to(pool)): path.read_bytes() for path in pool.rglob("*") if path.is_file()}


def test_finished_runs_come_back_whole(pool: Path, tmp_path: Path) -> None:
    names = ["b-2", "a-1", "unfinished-3", "absent-4"]
    assert pack_runs(names, pool, tmp_path / "runs.tar.xz") == 2
    assert unpack_runs(tmp_path / "runs.tar.xz", tmp_path / "new") == 2
    assert contents(tmp_path / "new") == {name: text for name, text in contents(pool).items() if "unf" not in name}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a-1", "b-2"}


def test_the_same_runs_give_the_same_bytes(pool: Path, tmp_path: Path) -> None:
    pack_runs(["a-1", "b-2"], pool, tmp_path / "one.tar.xz")
    (pool / "a-1" / "run.json").touch()
    pack_runs(["b-2", "a-1"], pool, tmp_path / "two.tar.xz")
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()


def test_a_run_that_is_there_is_left_alone(pool: Path, tmp_path: Path) -> None:
    pack_runs(["a-1", "b-2"], pool, tmp_path / "runs.tar.xz")
    (pool / "a-1" / "run.json").write_text("mine")
    (pool / "b-2" / "run.json").unlink()
    (pool / "b-2" / "metrics.csv").unlink()
    (pool / "b-2").rmdir()
    assert unpack_runs(tmp_path / "runs.tar.xz", pool) == 1
    assert (pool / "a-1" / "run.json").read_text() == "mine"
    assert (pool / "b-2" / "run.json").read_text() == "{}"


def test_nothing_to_pack_and_bad_archives_are_errors(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match="none of the runs is there yet"):
        pack_runs(["absent-4"], pool, tmp_path / "runs.tar.xz")
    pack_runs(["a-1"], pool, tmp_path / "runs.tar.xz")
    whole = (tmp_path / "runs.tar.xz").read_bytes()
    (tmp_path / "cut.tar.xz").write_bytes(whole[: len(whole) // 2])
    for name in ("cut.tar.xz", "absent.tar.xz"):
        with pytest.raises(AsgdError, match=rf"{name}: not a readable archive"):
            unpack_runs(tmp_path / name, tmp_path / "new")
    with tarfile.open(tmp_path / "other.tar.xz", "w:xz") as tar:
        tar.add(pool / "a-1" / "run.json", "../run.json")
    with pytest.raises(AsgdError, match="holds other files"):
        unpack_runs(tmp_path / "other.tar.xz", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def make_params() -> Params:
    presets = {
        name: {"data": {"source": "synthetic"}, "seeds": [seed], "experiments": {"delay": {"num_workers": [1, 2]}}}
        for name, seed in (("first", 0), ("second", 1))
    }
    return Params.model_validate({"preset": "first", "presets": presets})


def test_runs_that_no_preset_asks_for_are_found_and_deleted(tmp_path: Path) -> None:
    params, pool, checkpoints = make_params(), tmp_path / "runs", tmp_path / "checkpoints"
    second = params.model_copy(update={"preset": "second"})
    wanted = [*plan_study(params, tmp_path).runs, *plan_study(second, tmp_path).runs]
    assert len(wanted) == 4
    for name in [*wanted, "m1-lr0.5-seed0-000000000000"]:
        (pool / name).mkdir(parents=True)
        (pool / name / "metrics.csv").write_bytes(b"x" * 10)
        checkpoints.mkdir(exist_ok=True)
        (checkpoints / f"{name}.npz").write_bytes(b"x")
    unused = find_unused(params, [pool], checkpoints, tmp_path)
    assert [path.name for path in unused] == ["m1-lr0.5-seed0-000000000000", "m1-lr0.5-seed0-000000000000.npz"]
    assert [measure_size(path) for path in unused] == [10, 1]
    remove_unused(unused)
    assert {path.name for path in pool.iterdir()} == set(wanted)
    assert find_unused(params, [pool], checkpoints, tmp_path) == []


def test_prune_deletes_only_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(make_params().model_dump(mode="json")))
    Path("results/runs/stranger").mkdir(parents=True)
    assert main(["prune"]) == 0
    assert Path("results/runs/stranger").exists()
    assert "1 that no preset of params.yaml asks for; --yes deletes them" in capsys.readouterr().out
    assert main(["prune", "--yes"]) == 0
    assert not Path("results/runs/stranger").exists()
    assert main(["prune"]) == 0
    assert "every run there is asked for" in capsys.readouterr().out
