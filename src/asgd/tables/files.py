"""Reading and writing the tidy tables. What each holds: ``asgd.tables.columns``, and the analyses.

A table is CSV or, where its path ends in .parquet, Parquet; what is read is the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from asgd.errors import AsgdError
from asgd.files import hash_file, write_text
from asgd.tables.parquet import hash_parquet, open_parquet, read_parquet

_PARQUET = ".parquet"


def read_table(path: str | Path, columns: Iterable[str] = ("arm",)) -> pd.DataFrame:
    """Read a tidy table that must have ``columns``. Raises AsgdError naming the file."""
    try:
        table = read_parquet(path) if _is_parquet(path) else _read_csv(path)
    except (OSError, ValueError) as error:
        raise AsgdError(f"{path}: cannot be read as a table ({' '.join(str(error).split())}); make it again") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise AsgdError(f"{path}: has no column {', '.join(missing)}; delete it and make it again")
    return table


def _read_csv(path: str | Path) -> pd.DataFrame:
    # An arm's name is a hash: without a type, 12345678 or 1e234567 would be read as a number.
    return pd.read_csv(path, dtype={"arm": str}, low_memory=False, encoding="utf-8")


def _is_parquet(path: str | Path) -> bool:
    return Path(path).suffix == _PARQUET


def hash_contents(path: str | Path) -> str:
    """SHA-256 (hex) of a file: of its bytes, but for Parquet of the table in it, which any version writes otherwise.

    Raises AsgdError if it cannot be read.
    """
    try:
        return hash_parquet(path) if _is_parquet(path) else hash_file(path)
    except (OSError, ValueError) as error:
        raise AsgdError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def find_table(folder: Path, name: str) -> Path:
    """The file of the table ``name`` in ``folder``, in the form in which it is there; a CSV file if it is not."""
    found = folder / f"{name}{_PARQUET}"
    return found if found.exists() else found.with_suffix(".csv")


def find_tables(folder: Path) -> dict[str, Path]:
    """The files of all tables in ``folder``, by name."""
    names = sorted({path.stem for suffix in (".csv", _PARQUET) for path in folder.glob(f"*{suffix}")})
    return {name: find_table(folder, name) for name in names}


def remove_other_forms(path: str | Path) -> None:
    """Remove the files of the same table in another form, which would be older than ``path``."""
    for suffix in {".csv", _PARQUET} - {Path(path).suffix}:
        Path(path).with_suffix(suffix).unlink(missing_ok=True)


def write_table(path: str | Path, table: pd.DataFrame, key: Sequence[str] = ()) -> None:
    """Write ``table`` without its index, numbers in full precision, atomically.

    Raises AsgdError if two rows have the same ``key``; then nothing is written.
    """
    if _is_parquet(path):
        with append_table(path, key) as append:
            append(table)
        return
    _check_key(path, table, key)
    write_text(path, format_table(table))


@contextmanager
def append_table(path: str | Path, key: Sequence[str] = ()) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a Parquet table some rows at a time, by the function that this yields; it is whole or absent.

    Raises AsgdError if two rows that are added together have the same ``key``; then nothing is written.
    """
    with open_parquet(path) as file:

        def append(table: pd.DataFrame) -> None:
            _check_key(path, table, key)
            file.append(table)

        yield append


def _check_key(path: str | Path, table: pd.DataFrame, key: Sequence[str]) -> None:
    if repeated := find_repeated(table, key):
        raise AsgdError(f"{path}: two rows would have {repeated}; nothing was written")


def format_table(table: pd.DataFrame) -> str:
    """What ``write_table`` writes as CSV."""
    return table.to_csv(index=False, lineterminator="\n")


def find_repeated(table: pd.DataFrame, key: Sequence[str]) -> str:
    """The first value of a table's ``key`` that stands twice, as in ``run = m1-..., step = 10``; empty if none does.

    A table that lacks a column of its key is not judged: ``read_table`` names what is missing.
    """
    keys = list(key)
    repeated = table[table.duplicated(keys)] if keys and {*keys} <= {*table} else table.head(0)
    return "" if repeated.empty else ", ".join(f"{name} = {repeated.iloc[0][name]}" for name in keys)
