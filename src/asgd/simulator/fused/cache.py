"""Compiled programs on disk, safe against changed sources, other settings, damage, and several jobs at once.

A program is one file. Its directory's name is a hash of all that decides its code: the sources, the versions that
compile them, the processor and Numba's settings. The file begins with a checksum, so one that is damaged, or that was
copied from another directory, is not used. It is written under a temporary name and renamed.
"""

import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np

from asgd.errors import AsgdError
from asgd.files import atomic_path
from asgd.simulator.networks import shapes as architecture

#: Numba's settings that say where and how, not what: all others may change the code, also those of later versions.
_NOT_CODE = ("CACHE_", "COLOR_SCHEME", "CUDA_", "NUMBA_DEFAULT_NUM_THREADS", "NUMBA_NUM_THREADS")

_CHECKSUM = hashlib.sha256().digest_size


def cache_directory() -> Path:
    """Where compiled programs lie: in $ASGD_CACHE_DIR, or asgd/ in the user's cache directory.

    Raises AsgdError for a user without a home.
    """
    chosen = os.environ.get("ASGD_CACHE_DIR")
    try:
        base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgd"
    except RuntimeError:  # a user without an account, as in a container; a folder in /tmp could be anybody's
        raise AsgdError("no home folder to keep the compiled engine in; set ASGD_CACHE_DIR to a folder") from None
    return base.absolute() / f"fused-{_fingerprint()[:16]}"


def program_path(kernels: str) -> Path:
    """The file of a variant's program."""
    return cache_directory() / f"{kernels}.program"


def read_program(path: Path) -> bytes | None:
    """What ``write_program`` wrote to ``path``; None where that is missing, damaged or not readable."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, program = content[:_CHECKSUM], content[_CHECKSUM:]
    return program if checksum == _sign(program) else None


def write_program(path: Path, program: bytes) -> None:
    """Write ``program`` atomically, in place of anything that lies there. Raises AsgdError where that fails."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(_sign(program) + program)


def code_settings() -> dict[str, Any]:
    """Numba's settings, from its variables NUMBA_..., its configuration file or Python, that may change the code."""
    settings = vars(numba.config).items()
    return {name: value for name, value in settings if name.isupper() and not name.startswith(_NOT_CODE)}


def _sign(program: bytes) -> bytes:
    return hashlib.sha256(_fingerprint().encode() + program).digest()


def _fingerprint() -> str:
    """SHA-256 (hex) of all that decides a program's code."""
    parts = [
        platform.python_version(),
        sys.implementation.cache_tag,
        sys.abiflags,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        llvmlite.binding.get_process_triple(),
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
        *(f"{name}={value!r}" for name, value in sorted(code_settings().items())),
        *(f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("LLVMLITE_")),
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for source in (*sorted(Path(__file__).parent.glob("*.py")), Path(architecture.__file__)):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
