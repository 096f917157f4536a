"""Which files of an image folder, or of an archive of one, are its images."""

from collections.abc import Iterable
from pathlib import Path

SPLITS = ("train", "test")


def list_images(folder: Path) -> list[str]:
    """Relative paths of all files ``train/<class>/*`` and ``test/<class>/*``, sorted; hidden files are left out."""
    return [name for name in list_entries(folder) if (folder / name).is_file()]


def list_entries(folder: Path) -> list[str]:
    """The same of whatever lies there: files, folders, links to nothing."""
    found = [entry.relative_to(folder) for split in SPLITS for entry in folder.glob(f"{split}/*/*")]
    return sorted(name.as_posix() for name in found if not is_hidden(name.parts))


def is_hidden(parts: Iterable[str]) -> bool:
    """Whether any part of a relative path starts with a dot: what file managers and archivers leave behind."""
    return any(part.startswith(".") for part in parts)
