"""What a tidy table is: declared once, for those who write, read and describe it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Tables by name, as in tables/<name>.csv or tables/<name>.parquet.
Tables = Mapping[str, "pd.DataFrame"]


@dataclass(frozen=True)
class Table:
    """A tidy table."""

    rows: str  #: what a row is, as in "one for each run"
    key: tuple[str, ...]  #: the columns that tell the rows apart: no two have the same values in them
    columns: Mapping[str, str]  #: what each column holds, with its unit
    later: Mapping[str, str] = field(default_factory=dict)  #: the same of columns that only some studies need
    where: str = ""  #: which studies need them, as in "Where a run has another schedule, also:"
    grows: bool = False  #: whether it grows with the runs: then it is Parquet where the preset says so, and else CSV
