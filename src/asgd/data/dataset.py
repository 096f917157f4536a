"""Prepared images on disk, as all runs share them: opened only if they are what was prepared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.data.fingerprint import folder_name
from asgd.data.hashing import hash_arrays
from asgd.data.images import SourceImages
from asgd.data.working import working_folder
from asgd.errors import AsgdError
from asgd.files import read_json, write_json

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
META = "meta.json"


@dataclass(frozen=True)
class Dataset:
    """Prepared images, mapped from disk and read-only: jobs on one machine share the pages.

    Images are [n, 32, 32, 3] uint8 (height, width, RGB), labels [n] int64, numbers of ``classes``.
    In each split the first n images are the first of each class, in turn.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    source: str  #: `data.source` of the configuration
    description: str  #: one sentence: what these images are, and any caveat
    fingerprint: str  #: of the source, as `source_fingerprint` gives it
    content: str  #: SHA-256 over the arrays, as they were read when they were opened


def store_images(images: SourceImages, folder: Path, source: str, fingerprint: str) -> None:
    """Write ``images`` as the prepared ``folder``, in one rename. Raises AsgdError where the disk refuses."""
    arrays = [getattr(images, name) for name in ARRAYS]
    meta = {
        "source": source,
        "description": images.description,
        "fingerprint": fingerprint,
        "content": hash_arrays(arrays),
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
        write_json(made / META, meta | {"checksum": hash_meta(meta)})
        _publish(made, folder)


def load_data(folder: Path) -> Dataset:
    """Open the arrays that `prepare_data` made in ``folder``, once every byte of them is read and found unchanged.

    Nothing is trusted for its time and size: reading CIFAR-10's 185 MB takes 0.1 to 0.2 s where they are in memory,
    where training needs them anyway, and a process does it once.

    Raises AsgdError where a file is missing or damaged, or is not that of the source by which ``folder`` is named.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    arrays: dict[str, Any] = {name: _open_array(folder, f"{name}.npy") for name in ARRAYS}
    found = hash_arrays(arrays.values())
    if found != meta["content"]:
        raise _corrupt(folder, f"the images have changed since they were prepared ({found[:12]}...)")
    texts = {key: meta[key] for key in ("source", "description", "fingerprint")}
    return Dataset(**arrays, classes=tuple(meta["classes"]), **texts, content=found)


def verify_data(folder: Path) -> str:
    """The content hash, if ``load_data`` finds nothing wrong."""
    return load_data(folder).content


def read_meta(folder: Path) -> dict[str, Any]:
    """meta.json of a prepared folder, unchanged since it was made.

    Its keys: source, description, fingerprint, content, classes, counts by split and class, checksum of the others.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AsgdError(f"{folder}: no prepared images there; run `asgd data`")
    try:
        meta = read_json(folder / META)
    except AsgdError as error:
        raise _corrupt(folder, "missing or not JSON", META) from error
    if not isinstance(meta, dict) or meta.get("checksum") != hash_meta(meta):
        raise _corrupt(folder, "edited since the images were prepared, or of an earlier version", META)
    if folder.absolute().name != (name := folder_name(meta["source"], meta["fingerprint"])):
        raise _corrupt(folder, f"of other images, those of {name}", META)
    return meta


def hash_meta(meta: Mapping[str, Any]) -> str:
    """SHA-256 over all of meta.json but its checksum."""
    rest = {key: value for key, value in meta.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def count_classes(labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, int]:
    """Number of images of each class, by name."""
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _open_array(folder: Path, file: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(folder / file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        fault = "truncated or not a NumPy array" if (folder / file).exists() else "missing"
        raise _corrupt(folder, fault, file) from error
    if not isinstance(array, np.ndarray):
        raise _corrupt(folder, "several arrays in one file", file)
    return array


def _corrupt(folder: Path, fault: str, file: str = "") -> AsgdError:
    return AsgdError(f"{folder / file}: {fault}; delete the folder {folder} and run `asgd data` again")


def _publish(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # Another process was first. Its images are the same, because the folder's name is their fingerprint.
        if not (folder / META).exists():
            raise
