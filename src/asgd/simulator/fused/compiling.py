"""Compiling once: of all jobs that share a cache, on one machine or on many, one compiles and the others wait.

Programs are compiled in a process of their own, and every job loads the machine code that it wrote, the job that
started it too. In the process that compiles, other machine code would run: both entry points call functions of the
same names, each has its own optimised copy of them, and Numba's linker takes the first that it met, which is an
earlier stage there. With sums in any order that is another rounding. Loading has one order for the same reason.
"""

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from filelock import FileLock, Timeout
from numba.core.compiler import CompileResult

from asgd.errors import AsgdError
from asgd.simulator.fused.cache import cache_directory, code_settings, program_path, read_program, write_program
from asgd.simulator.fused.kernels import KERNELS, choose_kernels
from asgd.simulator.fused.program import Program, build

_PATIENCE = 900.0  # seconds; compiling takes about 15, and minutes on a crowded machine

#: The settings must be in place before anything is made with them, so before the package is imported.
_COMPILE = (
    "import pickle, sys, numba; vars(numba.config).update(pickle.load(sys.stdin.buffer)); "
    "from asgd.simulator.fused.compiler import main; main(sys.argv[1])"
)


def compile_once(kernels: str = "auto") -> Path:
    """See to it that the program of ``kernels`` is in the cache; returns the cache's directory.

    Where it cannot be kept there, a warning says so, and each job compiles its own: slower, not wrong.
    """
    load_program(choose_kernels(kernels))
    return cache_directory()


@cache
def load_program(kernels: str) -> Program:
    """The compiled entry points of a kernels, from disk; compiled first where they are not there.

    Raises AsgdError where they cannot be compiled.
    """
    if numba.config.DISABLE_JIT:
        raise AsgdError(
            "NUMBA_DISABLE_JIT is set: the fused engine is compiled code; unset it, or use engine=reference"
        )
    path = program_path(kernels)
    return _link(kernels, read_program(path) or _compile_in_turn(kernels, path))


def _compile_in_turn(kernels: str, path: Path) -> bytes:
    """The program, which one of the jobs that ask for it compiles and the others read."""
    program = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=_PATIENCE):
            program = read_program(path)
            if program is None:
                program = _compile_apart(kernels, path)
                _keep(program, path)
    except (OSError, Timeout, NotImplementedError) as error:  # read-only, or without locks
        _warn_of_cache(path, error)
    return program or _compile_apart(kernels, path)


def _compile_apart(kernels: str, path: Path) -> bytes:
    """The program, compiled by a process of its own with this one's settings."""
    if os.path.lexists(path):
        warnings.warn(f"{path}: damaged or not readable; compiled again", stacklevel=2)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-P", "-c", _COMPILE, kernels]
    try:
        done = subprocess.run(
            command, input=pickle.dumps(code_settings()), env=environment, capture_output=True, check=False
        )
    except OSError as error:
        raise AsgdError(f"{sys.executable}: cannot be started to compile ({error}); use engine=reference") from error
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        raise AsgdError(f"variant {kernels} cannot be compiled here ({reason}); use engine=reference")
    return done.stdout


def _keep(program: bytes, path: Path) -> None:
    try:
        write_program(path, program)
    except AsgdError as error:  # full
        _warn_of_cache(path, error)


def _warn_of_cache(path: Path, error: Exception) -> None:
    warnings.warn(f"{path.parent}: not usable as a cache ({error}); set ASGD_CACHE_DIR", stacklevel=2)


def _link(kernels: str, content: bytes) -> Program:
    """The entry points as functions; called with other arguments than they were compiled for, they raise TypeError."""
    program = build(KERNELS[kernels])
    functions: Iterable[Any] = program
    for function, reduced in zip(functions, pickle.loads(content), strict=True):
        context = function.targetctx
        function.add_overload(CompileResult._rebuild(context, *reduced))
        function.disable_compile()
    return program
