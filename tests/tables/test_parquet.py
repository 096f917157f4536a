"""Tables as Parquet: types of CSV, errors of CSV, whole or absent."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asgd.errors import AsgdError
from asgd.tables.files import append_table, find_table, find_tables, hash_contents, read_table, write_table

TABLE = pd.DataFrame(
    {
        "arm": ["12345678", "1e234567", "0a"],
        "whole": [1, 2, 3],
        "number": [0.1, np.nan, 1e-300],
        "missing": [None, None, None],
        "some": [None, 4, None],
        "truth": [True, None, False],
        "mixed": [4, "full", 4],
        "word": ["a", "", "none"],
        "late": [0.5, 0.25, "word"],
    }
)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_table_is_read_as_from_csv_however_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("asgd.tables.parquet._ROWS", 1)
    write_table(tmp_path / "table.csv", TABLE)
    with append_table(tmp_path / "table.parquet") as append:
        for start in range(0, len(TABLE), rows):
            append(TABLE.iloc[start : start + rows].infer_objects())
    first, second = (read_table(tmp_path / f"table.{suffix}") for suffix in ("csv", "parquet"))
    pd.testing.assert_frame_equal(second, first, check_exact=True)
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "table.parquet"}


def test_a_table_that_fails_halfway_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_table(path, TABLE)
    before = path.read_bytes()

    def write() -> None:
        with append_table(path, ["arm"]) as append:
            append(TABLE)
            append(TABLE.iloc[[0, 0]])

    with pytest.raises(AsgdError, match=r"table.parquet: two rows would have arm = 12345678; nothing was written"):
        write()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with pytest.raises(AsgdError, match=r"table.parquet: cannot be read as a table \(.*; make it again"):
        read_table(path)
    write_table(path, TABLE)
    with pytest.raises(AsgdError, match=r"table.parquet: has no column seed; delete it and make it again"):
        read_table(path, ["arm", "seed"])
    whole = path.read_bytes()
    for damaged in (b"", b"run\n", whole[:-9], whole[:40] + bytes([whole[40] ^ 255]) + whole[41:]):
        path.write_bytes(damaged)
        with pytest.raises(AsgdError, match=r"table.parquet: cannot be read as a table") as caught:
            read_table(path)
        assert "\n" not in str(caught.value)


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.parquet"
    write_table(path, TABLE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for use in (read_table, hash_contents, lambda path: write_table(path, TABLE)):
        with pytest.raises(AsgdError, match=r"needs PyArrow, of the extra pipeline: in a clone, pip install '.\[pipel"):
            use(path)


def test_a_checksum_is_of_the_table_and_not_of_the_file(tmp_path: Path) -> None:
    first, second, other = (tmp_path / f"{name}.parquet" for name in ("first", "second", "other"))
    write_table(first, TABLE)
    read_table(first).to_parquet(second, compression="gzip")
    write_table(other, TABLE.assign(number=[0.1, np.nan, 2e-300]))
    assert first.read_bytes() != second.read_bytes()
    assert hash_contents(first) == hash_contents(second) != hash_contents(other)


def test_a_table_is_found_in_the_form_in_which_it_is_there(tmp_path: Path) -> None:
    for name in ("runs.parquet", "arms.csv"):
        write_table(tmp_path / name, TABLE)
    assert find_table(tmp_path, "arms").name == "arms.csv"
    assert find_table(tmp_path, "none").name == "none.csv"
    assert {name: path.name for name, path in find_tables(tmp_path).items()} == {
        "arms": "arms.csv",
        "runs": "runs.parquet",
    }
