"""Files that are either whole or absent: written under a temporary name, then renamed."""

import glob
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from asgd.errors import AsgdError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds, else remove it.

    The temporary file has the same suffix, because writers such as Matplotlib choose the format by it.
    Raises AsgdError where the file system refuses (full, read-only), naming ``path``.
    """
    target = Path(path)
    # Named before anything is made: a signal that ends the process at any moment then leaves no file behind.
    temporary = target.parent / f".{target.stem}-{token_hex(4)}{target.suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise AsgdError(
            f"{target}: cannot be written ({error.strerror or error}); free space or fix its permissions"
        ) from error
    finally:
        with suppress(OSError):  # where it is neither there nor can be, the error above says why
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; rename it to ``path`` if the block succeeds, else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".folder-", dir=path.parent) as temporary:
        folder = Path(temporary, path.name)
        folder.mkdir()
        yield folder
        folder.rename(path)


def remove_leftovers(path: str | Path) -> None:
    """Remove the temporary files of writers of ``path`` that were killed."""
    target = Path(path)
    for leftover in target.parent.glob(f".{glob.escape(target.stem)}-????????{glob.escape(target.suffix)}"):
        with suppress(OSError):  # a folder that is read-only now: the file is in nobody's way
            leftover.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8 with the line endings it has."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` to ``path`` as ``format_json`` gives it, atomically."""
    write_text(path, format_json(value))


def format_json(value: Any) -> str:
    """``value`` as indented JSON, keys in their order. Not-a-number is refused (ValueError)."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def hash_file(path: str | Path) -> str:
    """SHA-256 (hex) of a file's bytes. Raises OSError if it cannot be read."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: str | Path) -> Any:
    """Parse a JSON file in UTF-8. Raises AsgdError if it is missing, not JSON, or has a key twice in one place."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_refuse_repetition)
    except OSError as error:
        raise AsgdError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise AsgdError(f"{path}: not valid JSON ({error}); delete it and make it again") from error


def read_input(path: Path) -> tuple[str, str]:
    """What the file ``path`` (-: standard input) is called in errors, and its text. Raises AsgdError if unreadable."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        return name, sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise AsgdError(f"{name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise AsgdError(f"{name}: is not UTF-8 ({error.reason} at byte {error.start:,}); save it as UTF-8") from None


def parse_object(text: str, where: str) -> dict[str, Any]:
    """``text`` as a JSON object. Raises AsgdError, which begins with ``where``, if it is none, or has a key twice."""
    try:
        found = json.loads(text, object_pairs_hook=_refuse_repetition)
    except (ValueError, RecursionError) as error:
        raise AsgdError(f"{where}: not valid JSON ({error}); correct it") from error
    if not isinstance(found, dict):
        raise AsgdError(f"{where}: not a JSON object; write {{...}}")
    return found


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"a key is given twice among {', '.join(key for key, _ in pairs)[:100]}")
    return values
