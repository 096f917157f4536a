"""Reading and writing the tidy tables (CSV). What each holds: ``asgd.tables.columns``, and the analyses."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from asgd.errors import AsgdError
from asgd.files import write_text


def read_table(path: str | Path, columns: Iterable[str] = ("arm",)) -> pd.DataFrame:
    """Read a tidy CSV table that must have ``columns``. Raises AsgdError naming the file."""
    try:
        # An arm's name is a hash: without a type, 12345678 or 1e234567 would be read as a number.
        table = pd.read_csv(path, dtype={"arm": str}, low_memory=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AsgdError(f"{path}: cannot be read as a table ({' '.join(str(error).split())}); make it again") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise AsgdError(f"{path}: has no column {', '.join(missing)}; delete it and make it again")
    return table


def write_table(path: str | Path, table: pd.DataFrame, key: Sequence[str] = ()) -> None:
    """Write ``table`` as CSV without its index, numbers in full precision, atomically.

    Raises AsgdError if two rows have the same ``key``; then nothing is written.
    """
    if repeated := find_repeated(table, key):
        raise AsgdError(f"{path}: two rows would have {repeated}; nothing was written")
    write_text(path, format_table(table))


def format_table(table: pd.DataFrame) -> str:
    """What ``write_table`` writes."""
    return table.to_csv(index=False, lineterminator="\n")


def find_repeated(table: pd.DataFrame, key: Sequence[str]) -> str:
    """The first value of a table's ``key`` that stands twice, as in ``run = m1-..., step = 10``; empty if none does.

    A table that lacks a column of its key is not judged: ``read_table`` names what is missing.
    """
    keys = list(key)
    repeated = table[table.duplicated(keys)] if keys and {*keys} <= {*table} else table.head(0)
    return "" if repeated.empty else ", ".join(f"{name} = {repeated.iloc[0][name]}" for name in keys)
