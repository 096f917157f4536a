"""Image files in ``train/<class>/*`` and ``test/<class>/*``, in a folder or in a tar archive that is never unpacked."""

import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from asgd.archives import read_members, show_name
from asgd.data.images import SourceImages, order_in_turn
from asgd.data.listing import SPLITS, is_hidden, list_entries
from asgd.errors import AsgdError
from asgd.simulator.networks.shapes import IMAGE_SHAPE

_HEIGHT, _WIDTH, _ = IMAGE_SHAPE
_LAYOUT = "train/<class>/* and test/<class>/*"
#: All that Pillow may try. Of the others some start a program, and a TIFF may make it take gigabytes for small images.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")
_LOSSY = {"JPEG", "MPO", "WEBP"}
#: Bytes that the file of one image may have: its pixels are 3 kB, the rest is metadata.
_MOST_BYTES = 1 << 20


@dataclass
class _Found:
    """Pixels by split, class and file name, and how many files there are of each format."""

    pixels: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    formats: Counter[str] = field(default_factory=Counter)


def read_image_folder(path: Path, progress: bool = True) -> SourceImages:
    """All images of a folder or a tar archive (plain, gz, bz2 or xz): 32x32 RGB, ten classes, the same in both splits.

    Classes are numbered in the order of their names; within a class images are in the order of their file names.
    Hidden files, and all outside ``train/<class>/`` and ``test/<class>/``, are left out. Raises AsgdError that names
    the first entry there which is not such an image in one of ``FORMATS``, or too large a file to be one.
    """
    if not path.exists():
        raise AsgdError(f"data.path = {path}: does not exist; give the folder or tar archive of {_LAYOUT}")
    found = _Found()
    for name, content in _folder_files(path, progress) if path.is_dir() else _archive_files(path, progress):
        split, label, *rest = PurePosixPath(name).parts
        if len(rest) != 1:
            raise AsgdError(f"{path}: {show_name(name)} lies too deep; the layout must be {_LAYOUT}")
        found.pixels[split, label][rest[0]] = _decode(path, name, content, found.formats)
    classes = _check_classes(path, found)
    train, test = (_take_in_turn([found.pixels[split, label] for label in classes]) for split in SPLITS)
    return SourceImages(*train, *test, classes=classes, description=_describe(path, found.formats))


def _folder_files(folder: Path, progress: bool) -> Iterator[tuple[str, bytes]]:
    with _progress_bar(progress) as bar:
        for name in bar.track(list_entries(folder), description=f"reading {folder.name}"):
            file = folder / name
            try:
                if not file.is_file():
                    raise AsgdError(f"{folder}: {show_name(name)} is no file; the layout must be {_LAYOUT}")
                if (size := file.stat().st_size) > _MOST_BYTES:
                    raise AsgdError(
                        f"{folder}: {show_name(name)} has {size:,} bytes, the limit is {_MOST_BYTES:,}; "
                        "replace or remove it"
                    )
                yield name, file.read_bytes()
            except OSError as error:
                raise AsgdError(f"{folder}: {show_name(name)} cannot be read ({error.strerror})") from error


def _archive_files(path: Path, progress: bool) -> Iterator[tuple[str, bytes]]:
    with _progress_bar(progress) as bar:
        yield from read_members(path, _is_image, _MOST_BYTES, partial(bar.open, description=f"reading {path.name}"))


def _is_image(name: str, is_folder: bool) -> bool:
    parts = name.split("/")
    return len(parts) >= 3 and parts[0] in SPLITS and all(parts) and not is_hidden(parts)


def _decode(path: Path, name: str, content: bytes, formats: Counter[str]) -> bytes:
    needed = f"every image must be {_WIDTH}x{_HEIGHT} RGB, and none is resized or converted here"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a size that is refused here, of metadata that is not read
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.size != (_WIDTH, _HEIGHT) or image.mode != "RGB":
                    width, height = image.size
                    raise AsgdError(f"{path}: {show_name(name)} is {width}x{height} {image.mode}; {needed}")
                formats[image.format or "unknown"] += 1
                return image.tobytes()
    except Image.DecompressionBombError as error:
        raise AsgdError(f"{path}: {show_name(name)} is far too large; {needed}") from error
    except AsgdError:
        raise
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        reason = "empty" if not content else f"not an image in one of the formats {', '.join(FORMATS)}, or truncated"
        raise AsgdError(f"{path}: {show_name(name)} is {reason}; replace or remove it") from error


def _check_classes(path: Path, found: _Found) -> tuple[str, ...]:
    train, test = ({label for split, label in found.pixels if split == wanted} for wanted in SPLITS)
    for split, classes in zip(SPLITS, (train, test), strict=True):
        if not classes:
            raise AsgdError(f"{path}: no images in {split}/<class>/; the layout must be {_LAYOUT}")
    if train != test:
        odd = sorted(train ^ test)[0]
        has, lacks = SPLITS if odd in train else reversed(SPLITS)
        raise AsgdError(f"{path}: class {show_name(odd)} is in {has}/ but not in {lacks}/; both need the same classes")
    if len(train) < 2:
        raise AsgdError(f"{path}: only the class {show_name(min(train))}; give at least two")
    if odd_names := sorted(name for name in train if not name.isprintable()):
        raise AsgdError(f"{path}: class {show_name(odd_names[0])} has no printable name; rename it")
    return tuple(sorted(train))


def _take_in_turn(classes: list[dict[str, bytes]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pixels = [files[name] for files in classes for name in sorted(files)]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in classes])
    order = order_in_turn(labels)
    images = np.frombuffer(b"".join(pixels[index] for index in order), np.uint8)
    return images.reshape(len(order), *IMAGE_SHAPE), labels[order]


def _describe(path: Path, formats: Counter[str]) -> str:
    text = f"{sum(formats.values()):,} {' and '.join(sorted(formats))} images from {path.resolve().name}"
    if lossy := sorted(_LOSSY & formats.keys()):
        return f"{text}; {' and '.join(lossy)} is a lossy format, so pixels can differ from the originals"
    return text


def _progress_bar(progress: bool) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not (progress and console.is_terminal))
