"""A second name for every finished run, out of DVC's reach: `dvc exp run` and `dvc checkout` delete what DVC lacks.

DVC brings its outputs to the state that dvc.lock records before it runs an experiment, and deletes without a word what
Snakemake alone has trained since. So finished runs are linked into a folder that is no output of DVC's, which costs no
space where the file system has hard links, and those that a study lacks are taken back from there when it is planned.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from asgd.errors import AsgdError
from asgd.files import atomic_folder
from asgd.runs.folder import is_finished, list_files, read_run


def keep_runs(names: Iterable[str], store: Path, kept: Path) -> None:
    """Link the finished runs ``names`` of ``store`` into ``kept``, where they are not there yet."""
    for name in names:
        if is_finished(store / name) and not (kept / name).exists():
            _link(store / name, kept)


def restore_runs(names: Iterable[str], store: Path, kept: Path) -> int:
    """Link those of the runs ``names`` back that only ``kept`` has; returns their number.

    One that is damaged or not the run that its folder names is deleted from ``kept`` instead.
    """
    missing = [name for name in names if not (store / name).exists() and is_finished(kept / name)]
    sound = [name for name in missing if _is_sound(kept / name)]
    for name in sound:
        _link(kept / name, store)
    return len(sound)


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


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
