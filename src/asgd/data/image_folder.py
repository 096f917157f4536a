"""Image files in ``train/<class>/*`` and ``test/<class>/*``, in a folder or in a tar archive that is never unpacked."""

import io
import lzma
import tarfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from asgd.architecture import IMAGE_SHAPE, NUM_CLASSES
from asgd.data.dataset import Images
from asgd.data.fingerprint import SPLITS, is_hidden, list_images
from asgd.errors import AsgdError

_HEIGHT, _WIDTH, _ = IMAGE_SHAPE
_LAYOUT = "train/<class>/* and test/<class>/*"
_LOSSY = {"JPEG", "MPO", "WEBP"}


@dataclass
class _Found:
    """Pixels by split, class and file name, and how many files there are of each format."""

    pixels: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    formats: Counter[str] = field(default_factory=Counter)


def read_image_folder(path: Path, progress: bool = True) -> Images:
    """All images of a folder or a tar archive (plain, gz, bz2 or xz): 32x32 RGB, ten classes, the same in both splits.

    Classes are numbered in the order of their names. Image k of each class in turn, by file name: so the first n
    training images are a balanced sample. Hidden files are left out. Raises AsgdError that names the first bad file.
    """
    if not path.exists():
        raise AsgdError(f"data.path = {path}: does not exist; give the folder or tar archive of {_LAYOUT}")
    found = _Found()
    for name, content in _folder_files(path, progress) if path.is_dir() else _archive_files(path, progress):
        split, label, file = PurePosixPath(name).parts
        found.pixels[split, label][file] = _decode(path, name, content, found.formats)
    classes = _check_classes(path, found)
    train, test = (_interleave([found.pixels[split, label] for label in classes]) for split in SPLITS)
    return Images(*train, *test, classes=classes, description=_describe(path, found.formats))


def _folder_files(folder: Path, progress: bool) -> Iterator[tuple[str, bytes]]:
    with _progress_bar(progress) as bar:
        for name in bar.track(list_images(folder), description=f"reading {folder.name}"):
            try:
                yield name, (folder / name).read_bytes()
            except OSError as error:
                raise AsgdError(f"{folder / name}: cannot be read ({error.strerror})") from error


def _archive_files(path: Path, progress: bool) -> Iterator[tuple[str, bytes]]:
    try:
        with (
            _progress_bar(progress) as bar,
            bar.open(path, "rb", description=f"reading {path.name}") as file,
            tarfile.open(fileobj=file, mode="r:*") as archive,
        ):
            yield from _members(archive)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        reason = str(error).split(":\n")[0]  # tarfile goes on to list every compression it tried
        raise AsgdError(f"{path}: not a tar archive, truncated or corrupt ({reason}); fetch it again") from error


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        # Members are only ever named, never written to disk, so strange paths do no harm.
        parts = tuple(part for part in member.name.split("/") if part != ".")
        content = archive.extractfile(member) if member.isreg() and _is_image(parts) else None
        if content is not None:
            yield "/".join(parts), content.read()
    _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise EOFError unless the archive is whole: tarfile takes a missing end mark for the end."""
    file = archive.fileobj
    if file is None or file.tell() < archive.offset + tarfile.BLOCKSIZE:
        raise EOFError("no end mark")
    while file.read(1 << 16):  # to the very end, where compressed archives have their checksum
        pass


def _is_image(parts: tuple[str, ...]) -> bool:
    return len(parts) == 3 and parts[0] in SPLITS and all(parts) and not is_hidden(parts)


def _decode(path: Path, name: str, content: bytes, formats: Counter[str]) -> bytes:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.size != (_WIDTH, _HEIGHT) or image.mode != "RGB":
                width, height = image.size
                raise AsgdError(
                    f"{path}: {name} is {width}x{height} {image.mode}; every image must be {_WIDTH}x{_HEIGHT} RGB, "
                    "and none is resized or converted here"
                )
            formats[image.format or "unknown"] += 1
            return image.tobytes()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = "empty" if not content else "not an image that Pillow reads, or truncated"
        raise AsgdError(f"{path}: {name} is {reason}; replace or remove it") from error


def _check_classes(path: Path, found: _Found) -> tuple[str, ...]:
    train, test = ({label for split, label in found.pixels if split == wanted} for wanted in SPLITS)
    for split, classes in zip(SPLITS, (train, test), strict=True):
        if not classes:
            raise AsgdError(f"{path}: no images in {split}/<class>/; the layout must be {_LAYOUT}")
    if train != test:
        odd = sorted(train ^ test)[0]
        has, lacks = SPLITS if odd in train else reversed(SPLITS)
        raise AsgdError(f"{path}: class {odd} is in {has}/ but not in {lacks}/; both need the same classes")
    if len(train) != NUM_CLASSES:
        raise AsgdError(f"{path}: {len(train)} classes, but the network has {NUM_CLASSES} outputs; give exactly ten")
    return tuple(sorted(train))


def _interleave(classes: list[dict[str, bytes]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    order = sorted(
        (rank, label, name) for label, files in enumerate(classes) for rank, name in enumerate(sorted(files))
    )
    pixels = b"".join(classes[label][name] for _, label, name in order)
    images = np.frombuffer(pixels, np.uint8).reshape(len(order), *IMAGE_SHAPE)
    return images, np.array([label for _, label, _ in order], np.int64)


def _describe(path: Path, formats: Counter[str]) -> str:
    text = f"{sum(formats.values()):,} {' and '.join(sorted(formats))} images from {path.resolve().name}"
    if lossy := sorted(_LOSSY & formats.keys()):
        return f"{text}; {' and '.join(lossy)} is a lossy format, so pixels can differ from the originals"
    return text


def _progress_bar(progress: bool) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not (progress and console.is_terminal))
