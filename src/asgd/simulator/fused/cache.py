"""Compiled once: the programs of this package on disk, safe against changed sources and against several jobs at once.

Numba's own cache notices an edit in the file of the cached function only, not in the modules it calls. So the
directory's name carries a hash of every source of the package, of the versions that compile it and of the processor:
what is found in it was made from exactly this. Numba writes each file under a temporary name and renames it, so jobs
that compile at the same time overwrite whole files with equal ones.
"""

import hashlib
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba.core.caching import UserProvidedCacheLocator

from asgd import architecture
from asgd.errors import AsgdError
from asgd.simulator.fused import program
from asgd.simulator.fused.variant import VARIANTS


def cache_directory() -> Path:
    """Where compiled programs lie: in $ASGD_CACHE_DIR, or asgd/ in the user's cache directory.

    Raises AsgdError for a user without a home.
    """
    chosen = os.environ.get("ASGD_CACHE_DIR")
    try:
        base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgd"
    except RuntimeError:  # a user without an account, as in a container; a folder in /tmp could be anybody's
        raise AsgdError("no home folder to keep the compiled engine in; set ASGD_CACHE_DIR to a folder") from None
    return base.absolute() / f"fused-{_fingerprint()}"


@cache
def load_program(variant: str) -> program.Program:
    """The compiled entry points of a variant; they are compiled, or read from disk, at their first call."""
    directory = cache_directory()
    _load_numba_without_scipy()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _numba_cache(directory):
            return program.build(VARIANTS[variant], cache=True)
    except (OSError, RuntimeError) as error:  # read-only or full: slower, not wrong
        warnings.warn(f"{directory}: not usable as a cache ({error}); set ASGD_CACHE_DIR", stacklevel=2)
        return program.build(VARIANTS[variant])


def _load_numba_without_scipy() -> None:
    """Numba looks for SciPy's BLAS at its first compilation, which the kernels do not use: 0.2 s of each job's start.

    A process that has loaded it is left alone, so that Numba's linear algebra works there as ever.
    """
    name = "scipy.linalg.cython_blas"
    if "scipy.linalg" in sys.modules:
        return
    sys.modules[name] = None  # type: ignore[assignment]  # to Python's import: not installed
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[name]


class PathlessLocator(UserProvidedCacheLocator):
    """Numba's own places a program by the path of its source; here equal sources share it, wherever they lie."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """No folder below the cache directory."""
        return ""


@contextmanager
def _numba_cache(directory: Path) -> Iterator[None]:
    """Numba takes a function's cache directory from its configuration when the function is declared."""
    before = numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES
    numba.config.CACHE_DIR = str(directory)
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{PathlessLocator.__name__}"
    try:
        yield
    finally:
        numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES = before


@cache
def _fingerprint() -> str:
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(architecture.__file__)]
    features = llvmlite.binding.get_host_cpu_features().flatten()
    versions = (platform.python_version(), numba.__version__, llvmlite.__version__, np.__version__)
    digest = hashlib.sha256()
    for part in (*versions, llvmlite.binding.get_host_cpu_name(), features):
        digest.update(part.encode() + b"\0")
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
