"""Where a result comes from: the sources that decide it, the versions and the hardware."""

import ast
import hashlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent

#: A string (the group: it may contain a "#") or a comment.
_STRING_OR_COMMENT = re.compile(
    r"""(\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\#[^\n]*""",
    re.DOTALL,
)

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
    return hash_sources(_PACKAGE / name for name in names)


def hash_sources(paths: Iterable[Path]) -> str:
    """SHA-256 (hex) over the code of Python files and folders of them; names count, comments and docstrings do not."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.name}\0{strip_comments(file.read_text(encoding='utf-8'))}\0".encode())
    return digest.hexdigest()


def strip_comments(source: str) -> str:
    """Python code without comments, docstrings, blank lines and trailing space; the same for every Python version."""
    # The tokenizer of the standard library would do too, but takes 0.1 s of each job's start.
    lines = _STRING_OR_COMMENT.sub(lambda match: match[1] or "", source).splitlines()
    for first, last in _docstring_lines(ast.parse(source)):
        lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _docstring_lines(node: ast.AST) -> Iterator[tuple[int, int]]:
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        yield first.lineno, first.end_lineno or first.lineno
    for child in node.body:
        yield from _docstring_lines(child)


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
