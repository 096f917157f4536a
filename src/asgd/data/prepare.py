"""From a source to a prepared folder: made once, whole or absent."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from asgd.config import DataConfig
from asgd.data.dataset import ARRAYS, META, Images, count_classes, hash_content, load_data
from asgd.data.fingerprint import check_sha256, data_path, prepared_folder, source_fingerprint
from asgd.errors import AsgdError
from asgd.files import write_json

_LEFTOVER_SECONDS = 24 * 3600.0


def prepare_data(data: DataConfig, root: Path = Path("data"), progress: bool = True) -> Path:
    """Make the prepared folder of ``data`` under ``root`` unless it is there, and return it.

    It holds train_images.npy, train_labels.npy, test_images.npy, test_labels.npy and meta.json. Progress goes to
    standard error. Several processes may prepare the same folder at once; a killed one leaves nothing that passes for
    data. Raises AsgdError for bad images, a bad archive, no network, a full disk.
    """
    root = Path(root)
    folder = prepared_folder(data, root)
    if not folder.exists() or not any(folder.iterdir()):  # Snakemake makes the folder of an output beforehand
        images = read_source(data, root, progress)
        store_images(images, folder, data.source, source_fingerprint(data, root))
    load_data(folder)
    return folder


def read_source(data: DataConfig, root: Path, progress: bool = True) -> Images:
    """All images of ``data.source``, in memory. A download is kept in ``root``."""
    # Imported here: one source never pays for the libraries of another.
    if data.source == "synthetic":
        from asgd.data.synthetic import draw_synthetic

        return draw_synthetic(data.num_train, data.num_test, data.seed)
    if data.path is not None:
        check_sha256(data_path(data), data.sha256)
    if data.source == "image_folder":
        from asgd.data.image_folder import read_image_folder

        return read_image_folder(data_path(data), progress)
    from asgd.data.cifar10 import fetch_archive, read_cifar10

    return read_cifar10(fetch_archive(root, progress) if data.path is None else data_path(data), root)


def store_images(images: Images, folder: Path, source: str, fingerprint: str) -> None:
    """Write ``images`` as the prepared ``folder``, in one rename. Raises AsgdError where the disk refuses."""
    arrays = [getattr(images, name) for name in ARRAYS]
    meta = {
        "source": source,
        "description": images.description,
        "fingerprint": fingerprint,
        "content": hash_content(arrays),
        "classes": list(images.classes),
        "counts": {
            "train": count_classes(images.train_labels, images.classes),
            "test": count_classes(images.test_labels, images.classes),
        },
    }
    with working_folder(folder.parent) as working:
        made = working / folder.name
        made.mkdir()
        for name, array in zip(ARRAYS, arrays, strict=True):
            np.save(made / f"{name}.npy", array)
        write_json(made / META, meta)
        _publish(made, folder)


@contextmanager
def working_folder(root: Path) -> Iterator[Path]:
    """A temporary folder inside ``root``, removed at the end; what a killed process left a day ago goes too.

    An OSError inside becomes an AsgdError: the disk is full or refuses.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(root)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=root, ignore_cleanup_errors=True) as name:
            yield Path(name)
    except OSError as error:
        reason = error.strerror or error
        raise AsgdError(f"{root}: images cannot be written ({reason}); free space or choose another folder") from error


def _publish(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # Another process was first. Its images are the same, because the folder's name is their fingerprint.
        if not (folder / META).exists():
            raise


def _remove_leftovers(root: Path) -> None:
    for leftover in root.glob(".part-*"):
        try:
            old = time.time() - os.stat(leftover).st_mtime > _LEFTOVER_SECONDS  # noqa: PTH116
        except FileNotFoundError:  # its owner removed it just now
            continue
        if old:
            shutil.rmtree(leftover, ignore_errors=True)
