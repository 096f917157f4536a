"""Which images a configuration means, named by their content: never by where they lie.

Standard library only, and cheap, because the paths of all results depend on it.
"""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from asgd.config import DataConfig
from asgd.errors import AsgdError
from asgd.files import read_json, write_json

#: Raise it with any change in how sources become arrays (order, layout): prepared folders and runs get new names.
PREPARATION_VERSION = 1
#: Raise it with any change in the synthetic generator that changes a pixel.
GENERATOR_VERSION = 1

#: MD5 of the official archive cifar-10-python.tar.gz, as its authors publish it.
CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"

SPLITS = ("train", "test")


def source_fingerprint(data: DataConfig, root: Path = Path("data")) -> str:
    """64 hexadecimal digits that identify the images which ``data`` asks for, without reading them where possible.

    An archive with a pinned ``sha256`` is not opened, so a clone without it can still name its runs. An image folder
    is read once; ``root`` keeps the result until a file's size or time changes. Raises AsgdError where
    ``data.path`` must be read and cannot be.
    """
    if data.source == "cifar10":
        return _digest("cifar10", CIFAR10_MD5)
    if data.source == "synthetic":
        return _digest("synthetic", GENERATOR_VERSION, data.num_train, data.num_test, data.seed)
    path = data_path(data)
    if data.sha256 is not None:
        return _digest("archive", data.sha256)
    if path.is_dir():
        return _digest("folder", _hash_folder(path, root))
    return _digest("archive", hash_file(path))


def prepared_folder(data: DataConfig, root: Path = Path("data")) -> Path:
    """Where the prepared arrays of ``data`` lie, or will: a folder of ``root`` named after their fingerprint."""
    return Path(root) / f"{data.source}-{source_fingerprint(data, root)[:12]}"


def data_path(data: DataConfig) -> Path:
    """The configured path (``~`` expanded) of a source that needs one."""
    if data.path is None:
        raise AsgdError(f"data.path is missing: source {data.source} needs it")
    try:
        return Path(data.path).expanduser()
    except RuntimeError:
        raise AsgdError(f"data.path = {data.path}: nobody knows the home folder; write the whole path") from None


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file. Raises AsgdError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise AsgdError(f"data.path = {path}: cannot be read ({error.strerror}); correct the path") from error


def check_sha256(path: Path, expected: str | None) -> None:
    """Raise AsgdError unless the file at ``path`` has the pinned digest (None: nothing is pinned)."""
    if expected is None:
        return
    if path.is_dir():
        raise AsgdError(f"data.sha256 is the digest of an archive, but {path} is a folder; leave sha256 out")
    found = hash_file(path)
    if found != expected:
        raise AsgdError(
            f"{path}: SHA-256 is {found[:12]}..., but data.sha256 expects {expected[:12]}...; fetch the archive again, "
            "or correct data.sha256 if another archive is meant"
        )


def list_images(folder: Path) -> list[str]:
    """Relative paths of all files ``train/<class>/*`` and ``test/<class>/*``, sorted; hidden files are left out."""
    found = [file for split in SPLITS for file in folder.glob(f"{split}/*/*")]
    names = [file.relative_to(folder) for file in found if file.is_file()]
    return sorted(name.as_posix() for name in names if not is_hidden(name.parts))


def is_hidden(parts: Iterable[str]) -> bool:
    """Whether any part of a relative path starts with a dot: what file managers and archivers leave behind."""
    return any(part.startswith(".") for part in parts)


def _hash_folder(folder: Path, root: Path) -> str:
    names = list_images(folder)
    memory = Path(root) / ".fingerprints" / f"{_digest(str(folder.resolve()))[:16]}.json"
    listing = _digest([(name, *_size_and_time(folder / name)) for name in names])
    if memory.exists() and (known := read_json(memory)).get("listing") == listing:
        return str(known["digest"])
    digest = _digest([(name, hash_file(folder / name)) for name in names])
    with suppress(AsgdError):  # a read-only project: the folder is read again the next time
        write_json(memory, {"listing": listing, "digest": digest})
    return digest


def _size_and_time(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps([PREPARATION_VERSION, *parts]).encode()).hexdigest()
