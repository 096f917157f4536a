"""Checksums of files and arrays."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file that ``data.path`` names. Raises AsgdError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise AsgdError(f"data.path = {path}: cannot be read ({error.strerror}); correct the path") from error


def hash_arrays(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over shapes and bytes of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
