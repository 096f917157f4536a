"""How something that was shipped differs from what it should be, in a few words."""

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from asgd.tables.files import format_table

TOLERANCE = 1e-9  #: processors may round a mean's last digit differently


def compare_values(shipped: Any, computed: Any, key: str = "") -> list[str]:
    """The values of two JSON contents that differ, by dotted key."""
    if isinstance(shipped, Mapping) and isinstance(computed, Mapping):
        keys = dict.fromkeys([*shipped, *computed])
        parts = (compare_values(shipped.get(k), computed.get(k), f"{key}.{k}" if key else str(k)) for k in keys)
        return [fault for part in parts for fault in part]
    if _is_same(shipped, computed):
        return []
    return [f"{key} is {_shorten(json.dumps(shipped))}, should be {_shorten(json.dumps(computed))}"]


def compare_tables(shipped: pd.DataFrame, computed: pd.DataFrame, tolerances: Mapping[str, float] | None = None) -> str:
    """The first cell that differs, by its line in the file, and how many do; empty if none does.

    ``tolerances`` are relative, by column, and 0 for others; without them all numbers may differ by ``TOLERANCE``.
    """
    text = format_table(computed)
    if text == format_table(shipped):
        return ""
    # As it would be read back: words, numbers and what is missing then look alike.
    expected = pd.read_csv(io.StringIO(text), dtype={"arm": str}, low_memory=False)
    columns, wanted = list(map(str, shipped)), list(map(str, expected))
    if columns != wanted:
        return f"has the columns {_shorten(', '.join(columns))}, should have {_shorten(', '.join(wanted))}"
    if len(shipped) != len(expected):
        return f"has {len(shipped):,} rows, should have {len(expected):,}"
    limits = {name: TOLERANCE if tolerances is None else tolerances.get(name, 0.0) for name in columns}
    wrong = np.column_stack([_differ(shipped[name], expected[name], limits[name]) for name in columns])
    if not wrong.any():
        return ""
    row, column = np.argwhere(wrong)[0]
    name, more = columns[column], wrong.sum() - 1
    cell = f"line {row + 2}: {name} is {shipped.iloc[row, column]}, should be {expected.iloc[row, column]}"
    return f"{cell} (and {more:,} cells more)" if more else cell


def compare_texts(shipped: str, computed: str) -> str:
    """The first line that differs; empty if none does."""
    if shipped == computed:
        return ""
    lines, expected = ([*text.split("\n"), ""] for text in (shipped, computed))
    for number, (line, other) in enumerate(zip(lines, expected, strict=False), 1):
        if line != other:
            start = max(0, next((k for k, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), 0) - 20)
            return f"line {number} is {_shorten(line[start:])!r}, should be {_shorten(other[start:])!r}"
    return f"has {len(lines) - 1} lines, should have {len(expected) - 1}"


def _differ(shipped: "pd.Series[Any]", expected: "pd.Series[Any]", tolerance: float) -> np.ndarray[Any, Any]:
    same: Any
    if all(pd.api.types.is_numeric_dtype(column) for column in (shipped, expected)):
        first, second = (column.to_numpy(dtype=float) for column in (shipped, expected))
        if tolerance == 0:
            same = (first == second) | (np.isnan(first) & np.isnan(second))
        else:
            same = np.isclose(first, second, rtol=tolerance, atol=1e-12, equal_nan=True)
    else:
        same = (shipped.astype(str) == expected.astype(str)) | (shipped.isna() & expected.isna())
    return ~np.asarray(same, dtype=bool)


def _is_same(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_is_same(first[key], second[key]) for key in first)
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=1e-12)
    return bool(first == second)


def _shorten(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
