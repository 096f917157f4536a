"""Small image folders and archives in the official format, for the tests of the data sources."""

import hashlib
import io
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from asgd.data.cifar10 import Archive

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay")


def make_folder(folder: Path, num_train: int = 3, num_test: int = 2, classes: tuple[str, ...] = CLASSES) -> Path:
    """PNG images of random pixels: the same call makes the same images."""
    generator = np.random.default_rng(0)
    for split, count in (("train", num_train), ("test", num_test)):
        for name in classes:
            for index in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), np.uint8)
                save_image(folder / split / name / f"{index:03}.png", pixels)
    return folder


def save_image(path: Path, pixels: np.ndarray[Any, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def read_image(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path))


def pack(folder: Path, archive: Path) -> Path:
    """A tar archive with the contents of ``folder``; its suffix chooses the compression."""
    mode = {".tar": "w", ".gz": "w:gz", ".xz": "w:xz"}[archive.suffix]
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname=".")
    return archive


def make_official(path: Path, labels: Sequence[int] = range(10)) -> tuple[Archive, list[np.ndarray[Any, Any]]]:
    """A small archive in the official format at ``path``: five training batches, a test batch, and the names.

    Returns its description and the pixels [n, 32, 32, 3] of each batch, whose images have these ``labels``.
    """
    generator = np.random.default_rng(1)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    pixels = [generator.integers(0, 256, (len(labels), 32, 32, 3), np.uint8) for _ in names]
    files = {
        name: pickle.dumps({"data": batch.transpose(0, 3, 1, 2).reshape(len(labels), -1), "labels": list(labels)})
        for name, batch in zip(names, pixels, strict=True)
    }
    files["batches.meta"] = pickle.dumps({"label_names": list(CLASSES)})
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    archive = Archive(
        url="http://127.0.0.1:9/cifar-10-python.tar.gz",  # the discard port: nobody listens there
        md5=hashlib.md5(path.read_bytes()).hexdigest(),
        train_files=tuple((name, md5[name]) for name in names[:5]),
        test_files=((names[5], md5[names[5]]),),
        meta_md5=md5["batches.meta"],
    )
    return archive, pixels
