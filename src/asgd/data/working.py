"""Temporary folders beside the prepared images, for downloads, unpacked archives and arrays in the making."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asgd.errors import AsgdError

_LEFTOVER_SECONDS = 24 * 3600.0


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


def _remove_leftovers(root: Path) -> None:
    for leftover in root.glob(".part-*"):
        try:
            old = time.time() - os.stat(leftover).st_mtime > _LEFTOVER_SECONDS  # noqa: PTH116
        except FileNotFoundError:  # its owner removed it just now
            continue
        if old:
            shutil.rmtree(leftover, ignore_errors=True)
