"""Runs packed into one file, so that results can travel without a store, and put back."""

import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asgd.archives import read_members, show_name
from asgd.errors import AsgdError
from asgd.files import atomic_folder, atomic_path
from asgd.runs.folder import check_run, is_finished, list_files
from asgd.runs.pool import Pool

#: Bytes that a file of a run may have. Those of the study have 16 kB at most.
_MOST_BYTES = 64 << 20

_RUN_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,199}", re.ASCII)


def pack_runs(names: Iterable[str], pool: Pool, archive: Path) -> int:
    """Pack the finished ones of the runs ``names`` into ``archive`` (.tar.xz); returns their number.

    The same runs give the same bytes. Raises AsgdError if none is finished, or a file cannot be read or written.
    """
    finished = sorted(name for name in set(names) if name in pool)
    if not finished:
        raise AsgdError(f"{pool.store}: has none of the runs; run snakemake first")
    with atomic_path(archive) as temporary, tarfile.open(temporary, "w:xz", preset=9) as tar:
        for name in finished:
            contents = pool.read_contents(name)
            for file in list_files(name):
                _add(tar, f"{name}/{file}", contents[file])
    return len(finished)


def unpack_runs(archive: Path, store: Path) -> int:
    """Put the runs of ``archive`` that ``store`` lacks into it, each whole or not at all; returns their number.

    Nothing is written before the whole archive is read and checked, and no more than one run is held in memory. Raises
    AsgdError for a file that is missing, damaged or not such an archive, and where the store cannot be written: the
    runs that are there by then stay, and the same command puts the others back.
    """
    for _ in _read_runs(archive):
        pass
    return sum(place_run(store / name, files) for name, files, _ in _read_runs(archive))


@dataclass(frozen=True)
class Packed:
    """The runs of an archive, whole and unedited, by name."""

    runs: Mapping[str, tuple[dict[str, Any], str, dict[str, bytes]]]

    def __contains__(self, run: str) -> bool:
        return run in self.runs

    def read_whole(self, run: str) -> tuple[dict[str, Any], str, dict[str, bytes]]:
        """As ``Pool.read_whole``."""
        return self.runs[run]


def read_archive(archive: Path) -> Packed:
    """The packed runs. Raises AsgdError as ``unpack_runs`` does."""
    return Packed({name: (*checked, files) for name, files, checked in _read_runs(archive)})


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # without owner and time
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _read_runs(archive: Path) -> Iterator[tuple[str, dict[str, bytes], tuple[dict[str, Any], str]]]:
    """The runs of ``archive``: name, contents of the files by their names, and what ``check_run`` gives of these."""
    strange = "holds other files than those of runs, one run after the other; it was not packed by asgd"
    current, files = "", dict[str, bytes]()
    for path, content in read_members(archive, lambda name, is_folder: not is_folder, _MOST_BYTES):
        name, _, file = path.partition("/")
        if file not in list_files(name) or (files and name != current):
            raise AsgdError(f"{archive}: {strange} ({show_name(path)})")
        current, files = name, {**files, file: content}
        if len(files) == len(list_files(name)):
            yield name, files, _check_run(archive, name, files)
            files = {}
    if files:
        raise AsgdError(f"{archive}: {strange} ({show_name(current)})")


def _check_run(archive: Path, name: str, files: Mapping[str, bytes]) -> tuple[dict[str, Any], str]:
    """Raise AsgdError unless ``files``, contents by file name, are those of the run ``name``."""
    if not _RUN_NAME.fullmatch(name):
        raise AsgdError(f"{archive}: {show_name(name)} is not the name of a run; it was not packed by asgd")
    return check_run(Path(name), files, f"get {archive} again")


def place_run(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Write ``files`` as ``folder``, whole; whether it was not there already (empty, Snakemake makes it beforehand)."""
    try:
        if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
            return False
        with atomic_folder(folder) as made:
            for name, content in files.items():
                (made / name).write_bytes(content)
    except OSError as error:
        if is_finished(folder):  # another process was faster
            return False
        reason = error.strerror or error
        raise AsgdError(f"{folder}: cannot be written ({reason}); free space or fix its permissions") from error
    return True
