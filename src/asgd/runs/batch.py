"""Many finished runs in one Parquet file: a row for each, which holds the contents of its files.

A run's files have the bytes that they would have in a folder, so one check holds for both forms, and a run can be moved
from one to the other and back. Each run is a row group with checksums of its own: one that is damaged takes no other
with it. A batch is never changed. What it lacks is trained into another batch.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.files import atomic_path, remove_leftovers
from asgd.runs.folder import check_run

Contents = Mapping[str, bytes]  #: of a run's files, by their names

#: The columns of a batch beside ``run``, its name: the file that each has the text of. Runs without probes have none.
FILES = {"metrics": "metrics.csv", "probes": "probes.csv", "record": "run.json"}

_LEVEL = 9  # of zstd: reading is as fast as at a lower one

#: What readers of Parquet raise for a damaged file. All of pyarrow's own errors are among them.
_DAMAGE = (OSError, ValueError, KeyError, NotImplementedError, MemoryError)

#: Bytes at the end of a Parquet file: the length of its footer, and four letters.
_END = 8

#: The head of a field of 32 bytes in a footer, by Thrift's compact protocol: of type binary, number 32767.
_FIELD = b"\x08\xfe\xff\x03\x20"
_EXTRA = len(_FIELD) + 32

_ADVICE = "run snakemake again, which trains this run again"


def name_batch(runs: Sequence[str]) -> str:
    """The name of the batch of the runs with these names."""
    return hashlib.sha256("\n".join(runs).encode()).hexdigest()[:12]


@explain_missing()
def write_batch(runs: Mapping[str, Contents], path: Path) -> None:
    """Write ``runs``, contents by name, to the batch ``path``, whole or not at all."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([("run", pa.string()), *((column, pa.string()) for column in FILES)])
    options: dict[str, Any] = {"compression": "zstd", "compression_level": _LEVEL, "use_dictionary": False}
    options |= {"write_page_checksum": True, "write_statistics": ["run"]}  # which tell the names without the rows
    remove_leftovers(path)  # of a job that was killed while it wrote
    with atomic_path(path) as temporary, ParquetWriter(temporary, schema, **options) as writer:
        for name, contents in runs.items():
            texts = {column: [_decode(contents.get(file))] for column, file in FILES.items()}
            writer.write_table(pa.table({"run": [name], **texts}, schema))
        writer.close()
        _sign(temporary)


def _decode(content: bytes | None) -> str | None:
    return None if content is None else content.decode()


def _sign(path: Path) -> None:
    """Put a checksum into the footer of a Parquet file.

    pyarrow checks none there, and some damage to a footer ends the process that reads it. Parquet leaves room for
    such an extension: a field of the footer that readers skip.
    """
    with path.open("r+b") as file:
        footer, letters = _read_footer(file)
        file.seek(-_END - len(footer), os.SEEK_END)
        file.truncate()
        signed = footer[:-1] + _FIELD + hashlib.sha256(footer).digest() + footer[-1:]
        file.write(signed + len(signed).to_bytes(4, "little") + letters)


def _check(path: Path) -> None:
    """Raise ValueError unless the file ends with a footer that ``_sign`` signed."""
    with path.open("rb") as file:
        signed, _ = _read_footer(file)
    footer, rest = signed[: -_EXTRA - 1], signed[-_EXTRA - 1 :]
    if rest != _FIELD + hashlib.sha256(footer + rest[-1:]).digest() + rest[-1:]:
        raise ValueError("the checksum of its footer is wrong")


def _read_footer(file: BinaryIO) -> tuple[bytes, bytes]:
    """The footer, and the letters at the end. Raises OSError where the file is too short."""
    file.seek(-_END, os.SEEK_END)
    end = file.read(_END)
    size = int.from_bytes(end[:4], "little")
    file.seek(-_END - size, os.SEEK_END)
    return file.read(size), end[4:]


class Batch:
    """A batch that is read. Raises AsgdError where ``path`` is no such file."""

    @explain_missing()
    def __init__(self, path: Path) -> None:
        from pyarrow.parquet import ParquetFile

        self.path = path
        try:
            _check(path)
            self._file = ParquetFile(path, page_checksum_verification=True)
            self._rows = self._find_rows()
        except _DAMAGE as error:
            raise AsgdError(f"{path}: not a batch of runs, truncated or damaged ({_say(error)})") from error

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def _find_rows(self) -> dict[str, int]:
        """The row group of each run, from the file's end alone."""
        about = self._file.metadata
        if {"run", *FILES} - set(self._file.schema_arrow.names):
            raise ValueError("it lacks columns")
        groups = [about.row_group(index) for index in range(about.num_row_groups)]
        if any(group.num_rows != 1 or group.column(0).statistics is None for group in groups):
            raise ValueError("its row groups are not runs")
        return {group.column(0).statistics.min: index for index, group in enumerate(groups)}

    @property
    def runs(self) -> list[str]:
        """The names of its runs, whether these are sound or not."""
        return list(self._rows)

    def read_contents(self, run: str) -> dict[str, bytes]:
        """The contents of the files of ``run``. Raises AsgdError where they cannot be read."""
        try:
            row = self._file.read_row_group(self._rows[run]).to_pylist()[0]
            return {file: row[column].encode() for column, file in FILES.items() if row[column] is not None}
        except (*_DAMAGE, IndexError) as error:
            raise self.fault(run, f"cannot be read ({_say(error)})") from error

    def read_run(self, run: str) -> tuple[dict[str, Any], str, dict[str, bytes]]:
        """The record, the metrics and the contents of ``run``, checked as ``check_run`` does."""
        contents = self.read_contents(run)
        try:
            return *check_run(self.path / run, contents, _ADVICE), contents
        except KeyError as error:
            raise self.fault(run, f"lacks {error}") from error

    def fault(self, run: str, what: str) -> AsgdError:
        """An error about one of its runs."""
        return AsgdError(f"{self.path / run}: {what}; {_ADVICE}")

    def read_sound(self) -> Iterator[str]:
        """The names of the runs that are whole and unedited."""
        for run in self.runs:
            try:
                self.read_run(run)
            except AsgdError:
                continue
            yield run


def _say(error: BaseException) -> str:
    return " ".join(str(error).split())
