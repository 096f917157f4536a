"""Files are whole or absent."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from asgd.errors import AsgdError
from asgd.files import atomic_path, read_json, write_json, write_text

ROOT = Path(__file__).parents[1]

#: Where text is read and written by more than one test, and by the package.
SOURCES = [
    path
    for pattern in ("src/**/*.py", "workflow/**/*.py", "tests/*.py", "tests/data/folders.py")
    for path in sorted(ROOT.glob(pattern))
    if not path.name.startswith("test_")
]


def calls_without_encoding(source: str) -> Iterator[int]:
    """Lines in which a file is opened as text without its encoding: it would be that of the locale."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        mode = node.args[0 if isinstance(node.func, ast.Attribute) else 1 :][:1] or [named.get("mode")]
        binary = isinstance(mode[0], ast.Constant) and "b" in str(mode[0].value)
        is_text = named.get("text") is not None or (name == "open" and not binary and not owned_by_others(node))
        if (name == "read_text" or (name == "write_text" and isinstance(node.func, ast.Attribute)) or is_text) and (
            "encoding" not in named
        ):
            yield node.lineno


def owned_by_others(call: ast.Call) -> bool:
    """Whether it is an ``open`` of archives, images or the system's descriptors."""
    owner = getattr(call.func, "value", None)
    return getattr(owner, "id", "") in ("tarfile", "_Archive", "Image", "os", "bar")


def test_encodings_are_told_from_their_lack() -> None:
    lacking = "a.read_text()\na.write_text('x')\nopen('x')\na.open('w')\nrun(x, text=True)\n"
    assert list(calls_without_encoding(lacking)) == [1, 2, 3, 4, 5]
    named = "a.read_text(encoding='utf-8')\nwrite_text(p, 'x')\nopen('x', 'rb')\na.open('rb')\ntarfile.open(x)\n"
    assert list(calls_without_encoding(named)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_has_its_encoding_named(path: Path) -> None:
    assert list(calls_without_encoding(path.read_text(encoding="utf-8"))) == []


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


def test_a_signal_as_soon_as_the_temporary_file_is_there_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_name != "atomic_path":
            return None
        if event == "line" and list(tmp_path.iterdir()):
            sys.settrace(None)
            raise SystemExit
        return interrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        with pytest.raises(SystemExit):
            write_text(tmp_path / "a.csv", "text")
    finally:
        sys.settrace(before)
    assert list(tmp_path.iterdir()) == []


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
    write_text(tmp_path / "twice.json", '{"a": [{"b": 1, "b": 2}]}')
    with pytest.raises(AsgdError, match=r"twice\.json: not valid JSON \(a key is given twice among b, b\)"):
        read_json(tmp_path / "twice.json")
    (tmp_path / "latin.json").write_bytes(b'"caf\xe9"')
    with pytest.raises(AsgdError, match=r"latin\.json: not valid JSON"):
        read_json(tmp_path / "latin.json")
    write_text(tmp_path / "deep.json", "[" * 100_000)
    with pytest.raises(AsgdError, match=r"deep\.json: not valid JSON"):
        read_json(tmp_path / "deep.json")
    write_text(tmp_path / "cut.json", '{"a": ')
    with pytest.raises(AsgdError, match=r"cut\.json: not valid JSON"):
        read_json(tmp_path / "cut.json")
