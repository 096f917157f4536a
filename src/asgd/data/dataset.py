"""Images as arrays: in memory as a source delivers them, and on disk as all runs share them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.architecture import IMAGE_SHAPE, NUM_CLASSES
from asgd.errors import AsgdError
from asgd.files import read_json

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
META = "meta.json"


@dataclass(frozen=True)
class Images:
    """What a source delivers. Images are [n, 32, 32, 3] uint8 (height, width, RGB), labels [n] int64 in 0..9."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    description: str  #: one sentence: what these images are, and any caveat


@dataclass(frozen=True)
class Dataset:
    """Prepared images, mapped from disk and read-only: jobs on one machine share the pages.

    Images are [n, 32, 32, 3] uint8 (height, width, RGB), labels [n] int64 in 0..9. The first n training images are a
    balanced sample of the classes.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    source: str  #: `data.source` of the configuration
    description: str  #: one sentence: what these images are, and any caveat
    fingerprint: str  #: of the source, as `source_fingerprint` gives it
    content: str  #: SHA-256 over the prepared arrays


def load_data(folder: Path) -> Dataset:
    """Open the arrays that `prepare_data` made in ``folder``.

    Raises AsgdError where one is missing, truncated or not what meta.json says. Reads no pixels: see `verify_data`.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    arrays: dict[str, Any] = {name: _open_array(folder / f"{name}.npy") for name in ARRAYS}
    for split in ("train", "test"):
        _check_images(folder / f"{split}_images.npy", arrays[f"{split}_images"], sum(meta["counts"][split].values()))
        _check_labels(folder / f"{split}_labels.npy", arrays[f"{split}_labels"], list(meta["counts"][split].values()))
    texts = {key: meta[key] for key in ("source", "description", "fingerprint", "content")}
    return Dataset(**arrays, classes=tuple(meta["classes"]), **texts)


def verify_data(folder: Path) -> str:
    """Read every pixel and return the content hash. Raises AsgdError where it is not the one of the preparation."""
    dataset = load_data(folder)
    found = hash_content([getattr(dataset, name) for name in ARRAYS])
    if found != dataset.content:
        raise _corrupt(Path(folder), f"the arrays have changed since they were prepared ({found[:12]}...)")
    return found


def read_meta(folder: Path) -> dict[str, Any]:
    """meta.json of a prepared folder: source, description, fingerprint, content, classes, counts by split and class."""
    folder = Path(folder)
    if not folder.is_dir():
        raise AsgdError(f"{folder}: no prepared images there; run `asgd data`")
    path = folder / META
    try:
        meta = read_json(path)
    except AsgdError as error:
        raise _corrupt(path, "missing or not JSON") from error
    wanted = {"source", "description", "fingerprint", "content", "classes", "counts"}
    if not isinstance(meta, dict) or not wanted <= meta.keys() or not {"train", "test"} <= meta["counts"].keys():
        raise _corrupt(path, "keys are missing")
    return meta


def count_classes(labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, int]:
    """Number of images of each class, by name."""
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def hash_content(arrays: list[NDArray[Any]]) -> str:
    """SHA-256 over shapes and bytes of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _open_array(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _corrupt(path, "missing" if not path.exists() else "truncated or not a NumPy array") from error
    return array


def _check_images(path: Path, images: NDArray[Any], count: int) -> None:
    if images.dtype != np.uint8 or images.shape != (count, *IMAGE_SHAPE):
        raise _corrupt(path, f"holds {images.dtype} {list(images.shape)}, expected uint8 {[count, *IMAGE_SHAPE]}")


def _check_labels(path: Path, labels: NDArray[Any], counts: list[int]) -> None:
    if labels.dtype != np.int64 or labels.shape != (sum(counts),):
        raise _corrupt(path, f"holds {labels.dtype} {list(labels.shape)}, expected int64 {[sum(counts)]}")
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= NUM_CLASSES:
        raise _corrupt(path, f"a label lies outside 0..{NUM_CLASSES - 1}")
    if np.bincount(labels, minlength=NUM_CLASSES).tolist() != counts:
        raise _corrupt(path, f"the number of images of each class is not that of {META}")


def _corrupt(path: Path, fault: str) -> AsgdError:
    folder = path if path.is_dir() else path.parent
    return AsgdError(f"{path}: {fault}; delete the folder {folder} and run `asgd data` again")
