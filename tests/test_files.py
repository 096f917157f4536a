"""Files are whole or absent."""

import json
from pathlib import Path

import pytest

from asgd.errors import AsgdError
from asgd.files import atomic_path, read_json, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    write_text(target, "old")

    def fail_halfway() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_file_has_the_targets_suffix_and_folder(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new" / "figure.pdf") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path / "new", ".pdf")
        assert not (tmp_path / "new" / "figure.pdf").exists()
        temporary.write_text("x")
    assert (tmp_path / "new" / "figure.pdf").read_text() == "x"


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_refusing_file_system_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AsgdError, match=r"file/a\.csv: cannot be written \(.*\); free space or fix its permissions"):
        write_text(tmp_path / "file" / "a.csv", "x")


def test_json_round_trip_and_its_errors(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, None]})
    assert read_json(tmp_path / "a.json") == {"b": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1, None]}
    with pytest.raises(AsgdError, match="cannot be read"):
        read_json(tmp_path / "none.json")
    write_text(tmp_path / "cut.json", '{"a": ')
    with pytest.raises(AsgdError, match=r"cut\.json: not valid JSON"):
        read_json(tmp_path / "cut.json")
