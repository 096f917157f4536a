"""The pool of finished runs: those in folders and those in batches, as one.

Which runs are in which batch stands in an index. It is a cache: where it is missing, or a batch is not the file that it
describes, the batch is read, and the runs in it that are whole and unedited count.
"""

import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from asgd.errors import AsgdError
from asgd.files import hash_file, read_json, write_text
from asgd.runs.batch import Batch
from asgd.runs.folder import check_run, is_finished, list_files, read_files
from asgd.settings.folders import BATCHES, RUNS

_MOST_OPEN = 8  # batches at a time


class _Entry(BaseModel):
    """What the index knows of a batch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    changed: int  #: nanoseconds since the epoch
    sha256: str
    runs: tuple[str, ...]  #: those that are sound


class Pool:
    """The finished runs in the folders of ``store`` and in the files of ``batches``, by default the folder beside it.

    What is there is looked up once, when it is first asked for. With ``thorough`` a batch must have the SHA-256 that
    the index has, else each of its runs is checked. Without, its size and time must be the same, else its runs count by
    their names: they are checked when they are read.
    """

    def __init__(self, store: Path = RUNS, batches: Path | None = None, thorough: bool = False) -> None:
        self.store, self.batches, self._thorough = store, batches or store.with_name(BATCHES.name), thorough
        self._open: OrderedDict[Path, Batch] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self._open:
            self._open.popitem()[1].__exit__()

    def __contains__(self, run: str) -> bool:
        return self.find(run) is not None

    def find(self, run: str) -> Path | None:
        """The folder or the batch that holds the finished run with this name."""
        if run in self._batched:
            return self._batched[run]
        return self.store / run if run in self._folders and is_finished(self.store / run) else None

    def has_any(self, run: str) -> bool:
        """Whether anything of the run is there: it may be unfinished, and then cannot be read."""
        return run in self or (self.store / run).exists()

    def list_batches(self) -> dict[Path, tuple[str, ...]]:
        """All batches, and the runs in each that count."""
        return {self.batches / name: entry.runs for name, entry in self._entries.items()}

    def list_files(self, runs: Iterable[str]) -> list[str]:
        """The files of these runs, finished or not: those of a folder, or the batch, each once."""
        return list(dict.fromkeys(file for run in runs for file in self._list_files(run)))

    def _list_files(self, run: str) -> Iterable[str]:
        if batch := self._batched.get(run):
            return [str(batch)]
        return (f"{self.store}/{run}/{file}" for file in list_files(run))

    def read(self, run: str) -> tuple[dict[str, Any], str]:
        """The record and the metrics of a run, checked. Raises AsgdError naming what is missing, damaged or another."""
        return self.read_whole(run)[:2]

    def read_whole(self, run: str) -> tuple[dict[str, Any], str, dict[str, bytes]]:
        """As ``read``, and the contents of all files of the run."""
        if batch := self._batched.get(run):
            return self._read_batch(batch).read_run(run)
        contents = read_files(self.store / run, run)
        return *check_run(self.store / run, contents), contents

    def read_contents(self, run: str) -> dict[str, bytes]:
        """The contents of the files of a run, as they are. Raises AsgdError where they cannot be read."""
        if batch := self._batched.get(run):
            return self._read_batch(batch).read_contents(run)
        return read_files(self.store / run, run)

    def remember(self, checked: Collection[str]) -> None:
        """Put the batches that the index lacks into it, where all their runs are among ``checked``, and sound."""
        known = set(checked)
        found = {
            name: entry for name, entry in self._entries.items() if not entry.sha256 and known.issuperset(entry.runs)
        }
        for name, entry in found.items():
            found[name] = entry.model_copy(update={"sha256": hash_file(self.batches / name)})
        if found:
            self._write_index(_read_index(self._index) | found)

    def _read_batch(self, path: Path) -> Batch:
        if path not in self._open:
            self._open[path] = Batch(path)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].__exit__()
        self._open.move_to_end(path)
        return self._open[path]

    @cached_property
    def _folders(self) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self.store))  # noqa: PTH208  (very many names)
        except FileNotFoundError:
            return frozenset()

    @cached_property
    def _batched(self) -> Mapping[str, Path]:
        return {run: batch for batch, runs in self.list_batches().items() for run in runs}

    @cached_property
    def _entries(self) -> Mapping[str, _Entry]:
        """What is in each batch, by the name of its file."""
        known = _read_index(self._index)
        files = sorted(self.batches.glob("[!.]*.parquet"))
        found = {file.name: self._describe(file, known.get(file.name)) for file in files}
        if self._thorough and found != known:
            self._write_index(found)
        return found

    def _describe(self, file: Path, known: _Entry | None) -> _Entry:
        state = file.stat()
        place = {"size": state.st_size, "changed": state.st_mtime_ns}
        if known and not self._thorough and place == {"size": known.size, "changed": known.changed}:
            return known
        if not self._thorough:
            return _Entry(**place, sha256="", runs=_list_runs(file))
        digest = hash_file(file)
        runs = known.runs if known and known.sha256 == digest else _find_sound(file)
        return _Entry(**place, sha256=digest, runs=runs)

    @property
    def _index(self) -> Path:
        return self.batches.with_suffix(".json")

    def _write_index(self, entries: Mapping[str, _Entry]) -> None:
        lines = (f'"{name}": {entry.model_dump_json()}' for name, entry in entries.items())
        with suppress(AsgdError):  # where nothing can be written all is checked again the next time
            write_text(self._index, "{\n" + ",\n".join(lines) + "\n}\n")


def _read_index(path: Path) -> dict[str, _Entry]:
    try:
        return {name: _Entry.model_validate(entry) for name, entry in read_json(path).items()}
    except (AsgdError, AttributeError, ValidationError):  # it is made again
        return {}


def _list_runs(path: Path) -> tuple[str, ...]:
    """The runs that a batch names; none of a file that is no batch."""
    try:
        with Batch(path) as batch:
            return tuple(batch.runs)
    except AsgdError:
        return ()


def _find_sound(path: Path) -> tuple[str, ...]:
    """The runs of a batch that are whole and unedited; none of a file that is no batch."""
    try:
        with Batch(path) as batch:
            return tuple(batch.read_sound())
    except AsgdError:
        return ()
