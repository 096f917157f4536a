"""Tidy tables as Parquet: what is read back is what pandas would read from the same table as CSV."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from asgd.extras import explain_missing
from asgd.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

#: Rows that are held until they are written together: groups of many rows are read faster and take less room.
_ROWS = 50_000
#: A column with a larger share of distinct numbers is not stored by a dictionary, but by its bytes: the first of all
#: numbers, then the second and so on. Measured values take a fifth less room so.
_MOST_DISTINCT = 0.25


@explain_missing("a table as Parquet")
def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read a table. Raises ValueError or OSError where the file holds none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not read_table, which would take the names of folders for columns.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return _as_from_csv(file.read().to_pandas())
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def hash_parquet(path: str | Path) -> str:
    """SHA-256 (hex) of the contents of a table, however its file is written. Raises as ``read_parquet`` does."""
    table = read_parquet(path)
    digest = hashlib.sha256()
    for name in table:
        column = table[name]
        digest.update(f"{name}\n{column.dtype.kind}\n{len(column)}\n".encode())
        if column.dtype.kind in "if":
            digest.update(column.to_numpy(dtype=f"<{column.dtype.kind}8").tobytes())
        else:
            digest.update("\n".join(column.astype(object).map(repr)).encode())
    return digest.hexdigest()


@contextmanager
def open_parquet(path: str | Path) -> Iterator["ParquetTable"]:
    """A table to which rows are appended; after the block it is at ``path``, and if the block fails nothing is."""
    with atomic_path(path) as temporary:
        table = ParquetTable(temporary)
        try:
            yield table
            table.finish()
        finally:
            table.close()


class ParquetTable:
    """A Parquet file that is written some rows at a time, with the columns of the first.

    A column has the type that pandas would give it if it read all rows from CSV. Where later rows turn out to need a
    wider one, what is already in the file is written again.
    """

    @explain_missing("a table as Parquet")
    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._path, self._pq = path, pq
        self._waiting: list[pa.Table] = []
        self._measured: set[str] = set()  # columns of numbers that hardly repeat
        self._schema: pa.Schema | None = None  # of what is in the file; null: a column without any value
        self._file: pq.ParquetWriter | None = None

    def append(self, table: pd.DataFrame) -> None:
        """Add rows."""
        self._waiting.append(_to_arrow(table))
        if sum(part.num_rows for part in self._waiting) >= _ROWS:
            self._flush()

    def finish(self) -> None:
        """Write what is left."""
        if self._waiting:
            self._flush()
        self.close()

    def close(self) -> None:
        """Close the file; nothing more can be added."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        import pyarrow as pa

        known = [] if self._schema is None else [self._schema]
        schema = _widen([*known, *(part.schema for part in self._waiting)])
        if self._schema is not None and schema != self._schema:
            self._write_again(schema)
        rows = pa.concat_tables(_cast(part, schema) for part in self._waiting)
        if self._file is None:
            self._measured = {name for name in rows.column_names if _hardly_repeats(rows[name])}
            self._file = self._open(self._path, schema)
        self._file.write_table(rows)
        self._schema = schema
        self._waiting.clear()

    def _write_again(self, schema: "pa.Schema") -> None:
        """Give the rows in the file the types of ``schema``; the file stays open for more."""
        self.close()
        earlier = self._path.with_name(f"{self._path.name}.narrower")
        self._path.rename(earlier)
        try:
            self._file = self._open(self._path, schema)
            with self._pq.ParquetFile(earlier) as rows:
                for group in range(rows.num_row_groups):
                    self._file.write_table(_cast(rows.read_row_group(group), schema))
        finally:
            earlier.unlink()

    def _open(self, path: Path, schema: "pa.Schema") -> "pq.ParquetWriter":
        split = [field.name for field in schema if field.name in self._measured and field.type == "double"]
        return self._pq.ParquetWriter(
            path,
            _fill(schema),
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in split],
            use_byte_stream_split=split,
            store_schema=False,
            write_page_checksum=True,
        )


def settle(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with its columns of words or mixed values as they would be read from CSV; numbers stay as they are."""
    words = [name for name in table if table[name].dtype.kind not in "bif"]
    if not words:
        return table
    text = table[words].to_csv(index=False)
    # An arm's name is a hash, as in asgd.tables.files. A row of one empty cell is an empty line, and counts.
    again = pd.read_csv(io.StringIO(text), dtype={"arm": str}, low_memory=False, skip_blank_lines=False)
    return table.assign(**{str(name): again[name].array for name in words})


def _hardly_repeats(column: "pa.ChunkedArray") -> bool:
    return len(column.unique()) > _MOST_DISTINCT * len(column)


def _to_arrow(table: pd.DataFrame) -> "pa.Table":
    """``table`` with a null type for columns without any value, and text as plain strings."""
    import pyarrow as pa

    made = pa.Table.from_pandas(settle(table), preserve_index=False).replace_schema_metadata(None)
    count = made.num_rows
    columns = [pa.nulls(count) if one.null_count == count else one.cast(_plain(one.type)) for one in made.columns]
    return pa.table(columns, names=made.column_names)


def _plain(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    return pa.string() if pa.types.is_large_string(kind) else kind


def _widen(schemas: Iterable["pa.Schema"]) -> "pa.Schema":
    """Types that hold the values of all ``schemas``: those of all rows together in a CSV file."""
    import pyarrow as pa

    kinds: dict[str, set[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            kinds.setdefault(field.name, set()).add(field.type)
    return pa.schema([(name, _join(found - {pa.null()})) for name, found in kinds.items()])


def _join(kinds: set["pa.DataType"]) -> "pa.DataType":
    import pyarrow as pa

    if len(kinds) <= 1:
        return next(iter(kinds), pa.null())
    return pa.float64() if kinds == {pa.int64(), pa.float64()} else pa.string()


def _fill(schema: "pa.Schema") -> "pa.Schema":
    """``schema`` with numbers where there is no value at all, as pandas reads an empty column."""
    import pyarrow as pa

    return pa.schema([(field.name, pa.float64() if field.type == pa.null() else field.type) for field in schema])


def _cast(table: "pa.Table", schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    columns = {}
    for field in _fill(schema):
        column = table[field.name]
        if field.type == pa.string() and column.type not in (pa.string(), pa.null()):
            column = pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        columns[field.name] = column.cast(field.type)
    return pa.table(columns)


def _as_from_csv(table: pd.DataFrame) -> pd.DataFrame:
    """What is missing among words or truth values is not-a-number there too."""
    mixed = {str(name): table[name].where(table[name].notna(), np.nan) for name in table if table[name].dtype == object}
    return table.assign(**mixed)
