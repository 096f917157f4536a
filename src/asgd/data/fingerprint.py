"""Which images a configuration means, named by their content: never by where they lie.

Cheap, because the paths of all results depend on it.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from asgd.data.cifar10 import CIFAR10_MD5
from asgd.data.hashing import hash_file
from asgd.data.listing import list_images
from asgd.data.sources import fingerprint_reader
from asgd.errors import AsgdError
from asgd.files import read_json, write_json
from asgd.settings.data import DataConfig
from asgd.settings.folders import DATA_ROOT


def source_fingerprint(data: DataConfig, root: Path = DATA_ROOT, read_again: bool = False) -> str:
    """64 hexadecimal digits that identify the images which ``data`` asks for, without reading them where possible.

    An archive with a pinned ``sha256`` is not opened, so a clone without it can still name its runs. An image folder
    is read once; ``root`` keeps the result until a file's size, times or inode change, or it is to be ``read_again``.
    Raises AsgdError where ``data.path`` must be read and cannot be.
    """
    return _digest(*_identify(data, root, read_again), *filter(None, [fingerprint_reader(data.source)]))


def _identify(data: DataConfig, root: Path, read_again: bool) -> tuple[object, ...]:
    """What tells the images of ``data`` apart, as far as it is not the code that reads them."""
    if data.source == "cifar10":
        return "cifar10", CIFAR10_MD5
    if data.source == "synthetic":
        return "synthetic", 1, data.num_train, data.num_test, data.seed
    path = data_path(data)
    if data.sha256 is not None:
        return "archive", data.sha256
    return ("folder", _hash_folder(path, root, read_again)) if path.is_dir() else ("archive", hash_file(path))


def prepared_folder(data: DataConfig, root: Path = DATA_ROOT) -> Path:
    """Where the prepared arrays of ``data`` lie, or will: a folder of ``root`` named after their fingerprint."""
    return Path(root) / folder_name(data.source, source_fingerprint(data, root))


def folder_name(source: str, fingerprint: str) -> str:
    """What the prepared folder of a source of images with this fingerprint is called."""
    return f"{source}-{fingerprint[:12]}"


def data_path(data: DataConfig) -> Path:
    """The configured path (``~`` expanded) of a source that needs one."""
    if data.path is None:
        raise AsgdError(f"data.path is missing: source {data.source} needs it")
    try:
        return Path(data.path).expanduser()
    except RuntimeError:
        raise AsgdError(f"data.path = {data.path}: the home folder is not known; write the whole path") from None


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


def _hash_folder(folder: Path, root: Path, read_again: bool) -> str:
    names = list_images(folder)
    memory = Path(root) / ".fingerprints" / f"{_digest(str(folder.resolve()))[:16]}.json"
    listing = _digest([(name, *_state(folder / name)) for name in names])
    if not read_again and (known := _recall(memory, listing)):
        return known
    digest = _digest([(name, hash_file(folder / name)) for name in names])
    with suppress(AsgdError):  # a read-only project: the folder is read again the next time
        write_json(memory, {"listing": listing, "digest": digest})
    return digest


def _recall(memory: Path, listing: str) -> str | None:
    """The digest that ``memory`` has of the files with this ``listing``; a damaged memory only costs a reading."""
    try:
        known = read_json(memory) if memory.exists() else None
    except AsgdError:
        return None
    if isinstance(known, dict) and known.get("listing") == listing and isinstance(known.get("digest"), str):
        return str(known["digest"])
    return None


def _state(path: Path) -> tuple[int, ...]:
    """What an edit changes, also one that puts the time back."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps([1, *parts]).encode()).hexdigest()
