"""Many runs in one file: whole and unedited or not there, each by itself, and the same bytes in both forms."""

import json
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest

from asgd.errors import AsgdError
from asgd.runs.batch import Batch, name_batch, write_batch
from asgd.runs.kept import keep_runs, open_kept, restore_runs
from asgd.runs.pool import Pool
from asgd.runs.regroup import move_to_batches, move_to_folders
from tests.run_folders import render_run

RUNS = dict(render_run(seed=seed, description="x" * size) for seed, size in ((0, 0), (1, 9000), (2, 0)))
A, B, C = RUNS


def put_batch(root: Path, *names: str) -> Path:
    path = root / "batches" / f"{name_batch(names)}.parquet"
    write_batch({name: RUNS[name] for name in names}, path)
    return path


def put_folder(root: Path, name: str) -> None:
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    for file, content in RUNS[name].items():
        (folder / file).write_bytes(content)


def open_pool(root: Path, thorough: bool = True) -> Pool:
    return Pool(root / "runs", thorough=thorough)


def test_runs_come_out_of_a_batch_as_they_went_in(tmp_path: Path) -> None:
    path = put_batch(tmp_path, A, B)
    with Batch(path) as batch:
        assert batch.runs == [A, B]
        assert {name: batch.read_contents(name) for name in batch.runs} == {name: RUNS[name] for name in (A, B)}
    table = pd.read_parquet(path)  # by any reader
    assert [json.loads(record)["run"] for record in table["record"]] == [A, B]
    assert table["metrics"].str.startswith("step,").all()


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    assert put_batch(tmp_path / "one", A, B).read_bytes() == put_batch(tmp_path / "two", A, B).read_bytes()


def test_no_damage_passes_and_it_costs_one_run_or_the_batch(tmp_path: Path) -> None:
    """Wherever one bit is wrong: in the rows it costs the run there, in the footer it costs all."""
    path = put_batch(tmp_path, A, B, C)
    whole, choose = path.read_bytes(), random.Random(0)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in [*choose.choices(range(footer), k=100), *choose.choices(range(footer, len(whole)), k=30)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        pool = open_pool(tmp_path)
        sound = [name for name in RUNS if name in pool]
        assert len(sound) >= 2 if place < footer else not sound
        assert all(pool.read_contents(name) == RUNS[name] for name in sound)
    for length in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert not any(name in open_pool(tmp_path) for name in RUNS)
        with pytest.raises(AsgdError, match=r"not a batch of runs, truncated or damaged"):
            Batch(path)


def test_an_edited_run_does_not_count_and_its_batch_does(tmp_path: Path) -> None:
    path = put_batch(tmp_path, A, B)
    assert open_pool(tmp_path).find(A) == path
    with Batch(path) as batch:
        edited = {name: batch.read_contents(name) for name in batch.runs}
    edited[A]["metrics.csv"] = edited[A]["metrics.csv"].replace(b"0.5", b"0.6")
    write_batch(edited, path)
    pool = open_pool(tmp_path)
    assert pool.find(A) is None
    assert pool.find(B) == path
    with Batch(path) as batch, pytest.raises(AsgdError, match=rf"{A}/metrics.csv: truncated or edited.*run snakemake"):
        batch.read_run(A)


def test_a_batch_that_lacks_a_run_gets_no_other_and_a_second_batch_has_it(tmp_path: Path) -> None:
    put_batch(tmp_path, A, B)
    other = put_batch(tmp_path, C)
    pool = open_pool(tmp_path)
    assert pool.find(C) == other
    assert pool.list_files([A, B, C]) == [str(pool.find(A)), str(other)]


def test_the_index_is_made_again_and_never_believed_against_the_file(tmp_path: Path) -> None:
    path, index = put_batch(tmp_path, A, B), tmp_path / "batches.json"
    open_pool(tmp_path).find(A)
    known = index.read_text()
    assert json.loads(known)[path.name]["runs"] == [A, B]
    for text in ("", "{", "[]", '{"x": 1}', known.replace(A, C)[:-9]):
        index.write_text(text)
        assert open_pool(tmp_path).find(B) == path
        assert index.read_text() == known
    put_batch(tmp_path, A, C).replace(path)
    assert B not in open_pool(tmp_path)
    assert C in open_pool(tmp_path)


def test_a_reader_takes_new_batches_by_name_until_they_are_checked(tmp_path: Path) -> None:
    put_batch(tmp_path, A)
    pool = open_pool(tmp_path, thorough=False)
    assert A in pool
    assert not (tmp_path / "batches.json").exists()
    pool.remember([A])
    assert json.loads((tmp_path / "batches.json").read_text()).popitem()[1]["runs"] == [A]


def test_folders_and_batches_are_one_pool(tmp_path: Path) -> None:
    put_folder(tmp_path, A)
    put_batch(tmp_path, B)
    pool = open_pool(tmp_path)
    assert [name in pool for name in RUNS] == [True, True, False]
    assert [pool.read(name)[0]["run"] for name in (A, B)] == [A, B]
    assert pool.read_contents(A) == RUNS[A]


@pytest.mark.parametrize("runs_per_batch", [1, 2, 100])
def test_runs_move_into_batches_and_back_unchanged(tmp_path: Path, runs_per_batch: int) -> None:
    for name in RUNS:
        put_folder(tmp_path, name)
    kept = tmp_path / "kept"
    keep_runs(RUNS, open_pool(tmp_path), kept)
    assert move_to_batches([*RUNS, "absent"], open_pool(tmp_path), kept, runs_per_batch) == 3
    assert not list((tmp_path / "runs").iterdir())
    assert not list(kept.iterdir())
    pool = open_pool(tmp_path)
    assert len(set(map(pool.find, RUNS))) == -(-3 // runs_per_batch)
    keep_runs(RUNS, pool, kept)
    assert move_to_folders([A], pool, kept) == min(runs_per_batch, 3)  # whole batches
    assert move_to_folders(RUNS, open_pool(tmp_path), kept) == 3 - min(runs_per_batch, 3)
    assert {name: open_pool(tmp_path).read_contents(name) for name in RUNS} == RUNS
    assert not list((tmp_path / "batches").iterdir())
    assert not list(open_kept(kept).batches.iterdir())


def test_a_damaged_run_is_not_moved(tmp_path: Path) -> None:
    for name in RUNS:
        put_folder(tmp_path, name)
    (tmp_path / "runs" / B / "metrics.csv").write_text("edited")
    with pytest.raises(AsgdError, match=rf"{B}/metrics.csv: truncated or edited"):
        move_to_batches(RUNS, open_pool(tmp_path), tmp_path / "kept", 1)
    assert [path.name for path in sorted((tmp_path / "runs").iterdir())] == sorted([B, C])
    assert A in open_pool(tmp_path)


def test_a_deleted_batch_comes_back(tmp_path: Path) -> None:
    path, kept = put_batch(tmp_path, A, B), tmp_path / "kept"
    keep_runs([A, C], open_pool(tmp_path), kept)
    assert (kept / "batches" / path.name).samefile(path)  # no space taken
    shutil.rmtree(tmp_path / "batches")
    assert restore_runs([C], open_pool(tmp_path), kept) == 0
    assert restore_runs([A, B, C], open_pool(tmp_path), kept) == 2
    assert open_pool(tmp_path).read_contents(B) == RUNS[B]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    """A killed process cannot remove its temporary file; the next one that writes this batch does, and no other's."""
    left, other = tmp_path / ".batch-0a1b2c3d.parquet", tmp_path / ".other-0a1b2c3d.parquet"
    left.write_bytes(b"PAR1")
    other.write_bytes(b"PAR1")
    write_batch(RUNS, tmp_path / "batch.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "batch.parquet"]
