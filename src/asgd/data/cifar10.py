"""CIFAR-10 from the official archive, through torchvision: nothing unverified is ever unpickled.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny SourceImages" (2009).
"""

import io
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.data.hashing import hash_file
from asgd.data.images import SourceImages, order_in_turn
from asgd.data.working import working_folder
from asgd.errors import AsgdError
from asgd.simulator.networks.shapes import IMAGE_SHAPE, NUM_CLASSES

#: MD5 of the official archive cifar-10-python.tar.gz, as its authors publish it.
CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"

_UNPACKED = "cifar-10-batches-py"
_TIMEOUT_SECONDS = 30.0
_INSTEAD = (
    "set data.path to a copy of cifar-10-python.tar.gz, or use data.source image_folder with images you have, "
    "or synthetic, which needs no network"
)


@dataclass(frozen=True)
class Archive:
    """An archive in the official format; the files inside are (name, MD5), and None takes torchvision's."""

    url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    md5: str = CIFAR10_MD5
    filename: str = "cifar-10-python.tar.gz"
    train_files: tuple[tuple[str, str], ...] | None = None
    test_files: tuple[tuple[str, str], ...] | None = None
    meta_md5: str | None = None


OFFICIAL = Archive()


def fetch_archive(root: Path, progress: bool = True, archive: Archive = OFFICIAL) -> Path:
    """Download the archive into ``root``, unless a whole one is there already, and return its path.

    It gets its name only once its checksum is verified; an incomplete download starts over. Raises AsgdError without
    a network, for a wrong checksum, for a full disk.
    """
    target = Path(root) / archive.filename
    if target.exists() and hash_file(target, "md5") == archive.md5:
        return target
    with working_folder(Path(root)) as working:
        target.unlink(missing_ok=True)
        _download(archive, working, progress)
        (working / archive.filename).replace(target)
    return target


def read_cifar10(path: Path, root: Path, archive: Archive = OFFICIAL) -> SourceImages:
    """Images of a local archive, or of a folder that holds it, packed or unpacked.

    The classes take turns; within a class images are in the official order, which is random over all classes.

    An archive is unpacked into a temporary folder of ``root``. Nothing whose checksum is wrong is read.

    Raises AsgdError where nothing is there or a checksum is wrong.
    """
    inside = path / archive.filename
    if path.is_dir() and not inside.exists():
        if not (path / _UNPACKED).is_dir():
            raise AsgdError(f"data.path = {path}: neither {archive.filename} nor {_UNPACKED}/ lies there")
        return _read_unpacked(path, archive)
    return _read_archive(inside if path.is_dir() else path, root, archive)


def _download(archive: Archive, folder: Path, progress: bool) -> None:
    from torchvision.datasets.utils import download_url

    with _socket_timeout(), nullcontext() if progress else redirect_stderr(io.StringIO()):
        try:
            download_url(archive.url, str(folder), archive.filename, archive.md5)
        except RuntimeError as error:
            raise AsgdError(
                f"{archive.url}: the download is incomplete or not the official CIFAR-10 archive (MD5 is not "
                f"{archive.md5[:12]}...) and was thrown away; try again, or {_INSTEAD}"
            ) from error
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) and not isinstance(error, ConnectionError | TimeoutError):
                raise  # the disk, not the network
            reason = " ".join(str(getattr(error, "reason", error)).split())
            raise AsgdError(f"{archive.url}: CIFAR-10 cannot be downloaded ({reason}); {_INSTEAD}") from error


@contextmanager
def _socket_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read_archive(path: Path, root: Path, archive: Archive) -> SourceImages:
    from torchvision.datasets.utils import extract_archive

    found = hash_file(path, "md5")
    if found != archive.md5:
        raise AsgdError(
            f"data.path = {path}: not the official CIFAR-10 archive, or incomplete (MD5 is {found[:12]}..., expected "
            f"{archive.md5[:12]}...); fetch it again, or leave data.path out to download it"
        )
    with working_folder(root) as unpacked, _quiet():
        extract_archive(str(path), str(unpacked))
        return _read_unpacked(unpacked, archive)


def _read_unpacked(folder: Path, archive: Archive) -> SourceImages:
    try:
        with _quiet():
            train, test = (_torchvision_split(folder, is_train, archive) for is_train in (True, False))
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        raise AsgdError(f"{folder}: not whole CIFAR-10 batches ({error}); fetch the archive again") from error
    if len(train.classes) != NUM_CLASSES:
        raise AsgdError(f"{folder}: {len(train.classes)} classes, but the network has {NUM_CLASSES} outputs")
    return SourceImages(
        *_arrays(train), *_arrays(test), classes=tuple(train.classes), description="CIFAR-10, the official images"
    )


def _torchvision_split(folder: Path, is_train: bool, archive: Archive) -> Any:
    from torchvision.datasets import CIFAR10

    class _Split(CIFAR10):  # type: ignore[misc]
        train_list = CIFAR10.train_list if archive.train_files is None else list(archive.train_files)
        test_list = CIFAR10.test_list if archive.test_files is None else list(archive.test_files)
        meta = CIFAR10.meta if archive.meta_md5 is None else {**CIFAR10.meta, "md5": archive.meta_md5}

    return _Split(str(folder), train=is_train)


def _arrays(split: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = np.array(split.targets, np.int64)
    order = order_in_turn(labels)
    images: NDArray[np.uint8] = np.asarray(split.data, np.uint8).reshape(-1, *IMAGE_SHAPE)
    return images[order], labels[order]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what newer NumPy and Python say about pickles and archives of 2009."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
