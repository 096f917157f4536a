"""Where a result was made: versions and hardware."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any


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
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measure_free_memory() -> int:
    """Bytes that a process can still take without others losing theirs; all there are where the system says no more."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
