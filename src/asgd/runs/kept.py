"""A second name for finished runs and batches, out of DVC's reach.

`dvc exp run` and `dvc checkout` delete what DVC lacks: DVC brings its outputs to the state that dvc.lock records before
it runs an experiment, and deletes without a word what Snakemake alone has trained since. So finished runs are linked
into a folder that is no output of DVC's, which costs no space where the file system has hard links, and those that a
study lacks are taken back from there when it is planned.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from asgd.errors import AsgdError
from asgd.files import atomic_folder, atomic_path
from asgd.runs.folder import is_finished, list_files, read_run
from asgd.runs.pool import Pool
from asgd.settings.folders import BATCHES


def keep_runs(names: Iterable[str], pool: Pool, kept: Path) -> None:
    """Link the finished runs ``names`` of ``pool`` into ``kept``, and the batches that hold them."""
    there = open_kept(kept)
    for place in dict.fromkeys(place for name in names if (place := pool.find(name))):
        if place.parent != pool.batches:
            if not (kept / place.name).exists():
                _link(place, kept)
        elif not (there.batches / place.name).exists():
            _link_batch(place, there.batches)


def restore_runs(names: Iterable[str], pool: Pool, kept: Path) -> int:
    """Link those of the runs ``names`` back that only ``kept`` has; returns their number.

    A folder that is damaged or not the run that it names is deleted from ``kept`` instead. Look at the pool again
    afterwards: what it has is looked up once.
    """
    missing = [name for name in names if name not in pool and not (pool.store / name).exists()]
    there = open_kept(kept)
    places = Counter(place for name in missing if (place := there.find(name)))
    for place in list(places):
        if place.parent == there.batches:
            _link_batch(place, pool.batches)
        elif _is_sound(place):
            _link(place, pool.store)
        else:
            del places[place]
    return places.total()


def open_kept(kept: Path) -> Pool:
    """The pool of what is kept."""
    return Pool(kept, kept / BATCHES.name, thorough=True)


def _is_sound(folder: Path) -> bool:
    try:
        read_run(folder)
    except AsgdError:
        shutil.rmtree(folder)
        return False
    return True


def _link(source: Path, parent: Path) -> None:
    """``source`` as a folder of the same name in ``parent``, whole or not at all, with links to its files."""
    target = parent / source.name
    try:
        with atomic_folder(target) as folder:
            for name in list_files(source.name):
                _link_file(source / name, folder / name)
    except OSError:
        if not is_finished(target):  # else another process was faster
            raise


def _link_batch(source: Path, parent: Path) -> None:
    with atomic_path(parent / source.name) as temporary:
        _link_file(source, temporary)


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
