"""Reading and writing the tidy tables (CSV). Their columns are documented in ``asgd.aggregate.COLUMNS``."""

from collections.abc import Iterable
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


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write ``table`` as CSV without its index, numbers in full precision, atomically."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
