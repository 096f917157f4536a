"""Where a result comes from: the sources that decide it, the versions and the hardware."""

import importlib.metadata
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from asgd.closure import hash_sources

_PACKAGE = Path(__file__).parent

#: Sources that decide a run's numbers, whatever the engine; then those of each engine.
_COMMON_SOURCES = (
    "architecture.py",
    "streams.py",
    "simulator/engine.py",
    "simulator/outcome.py",
    "simulator/simulate.py",
)
_ENGINE_SOURCES = {
    "fused": tuple(
        f"simulator/fused/{name}.py"
        for name in (
            "engine",
            "floating_point",
            "layout",
            "minimal_filtering",
            "network",
            "options",
            "plain",
            "plain_dense",
            "program",
            "sink",
            "vector",
            "vector_dense",
            "vectors",
        )
    ),
    "reference": ("model.py", "simulator/server.py", "simulator/reference.py"),
}


@cache
def fingerprint_sources(engine: str) -> str:
    """SHA-256 (hex) of the code that decides the numbers of a run by ``engine``, without comments and docstrings.

    It is part of a run's folder name, so an edit that could change a result makes new runs, and no other does.
    """
    names = _COMMON_SOURCES + _ENGINE_SOURCES[engine]
    return hash_sources({name: _PACKAGE / name for name in names})


def describe_versions() -> dict[str, str]:
    """Versions of Python, of this package and of the numerical libraries that the process has loaded."""
    libraries = [name for name in ("asgd", "numpy", "numba", "torch") if name in sys.modules]
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in libraries}


def describe_hardware() -> dict[str, Any]:
    """Processor, number of usable cores and operating system."""
    return {"cpu": find_processor(), "cores": _count_cores(), "system": f"{platform.system()} {platform.machine()}"}


def find_processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
