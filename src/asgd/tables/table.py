"""What a tidy table is: declared once, for those who write, read and describe it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A tidy table (CSV)."""

    rows: str  #: what a row is, as in "one for each run"
    key: tuple[str, ...]  #: the columns that tell the rows apart: no two have the same values in them
    columns: Mapping[str, str]  #: what each column holds, with its unit
