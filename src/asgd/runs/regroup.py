"""Runs moved from folders into batches and back: each is written, read again and compared, and only then deleted."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from asgd.errors import AsgdError
from asgd.runs.archive import place_run
from asgd.runs.batch import Batch, name_batch, write_batch
from asgd.runs.folder import read_files
from asgd.runs.kept import open_kept
from asgd.runs.pool import Pool


def move_to_batches(names: Iterable[str], pool: Pool, kept: Path, runs_per_batch: int) -> int:
    """Move the finished runs ``names`` that are in folders into batches; returns their number.

    The runs that share a batch are held in memory. Raises AsgdError for one that is damaged, and where nothing can be
    written: what was moved by then is whole, and the same command goes on.
    """
    moved = [name for name in names if pool.find(name) == pool.store / name]
    for start in range(0, len(moved), runs_per_batch):
        contents = {name: pool.read_whole(name)[2] for name in moved[start : start + runs_per_batch]}
        path = pool.batches / f"{name_batch(list(contents))}.parquet"
        write_batch(contents, path)
        with Batch(path) as batch:
            if any(batch.read_contents(name) != content for name, content in contents.items()):
                raise AsgdError(f"{path}: not what was written; the runs are still in {pool.store}, check the disk")
        for name in contents:
            for folder in (pool.store / name, kept / name):
                shutil.rmtree(folder, ignore_errors=True)
    return len(moved)


def move_to_folders(names: Iterable[str], pool: Pool, kept: Path) -> int:
    """Move the runs ``names`` that are in batches into folders, with all others in these batches; returns their number.

    Raises AsgdError as ``move_to_batches`` does.
    """
    batches = pool.list_batches()
    places = [place for name in names if (place := pool.find(name))]
    found = {path: batches[path] for path in dict.fromkeys(places) if path in batches}
    for path, runs in found.items():
        for name in runs:
            _, _, contents = pool.read_whole(name)
            folder = pool.store / name
            place_run(folder, contents)
            if read_files(folder, name) != contents:
                raise AsgdError(f"{folder}: not what was written; the run is still in {path}, check the disk")
        for file in (path, open_kept(kept).batches / path.name):
            file.unlink(missing_ok=True)
    return sum(map(len, found.values()))
