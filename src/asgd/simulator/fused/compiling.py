"""Compiling once: of all jobs that share a cache, on one machine or on many, one writes it and the others wait."""

import warnings
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from asgd import architecture
from asgd.config import RunConfig
from asgd.simulator.fused.cache import cache_directory
from asgd.simulator.fused.engine import FusedEngine
from asgd.simulator.fused.variant import choose_variant

_PATIENCE = 300.0  # seconds; compiling takes about 15


def compile_once(variant: str = "auto") -> None:
    """See to it that the programs of ``variant`` are in the cache. Where that cannot be, each job compiles its own."""
    chosen, directory = choose_variant(variant), cache_directory()
    done = directory / f"compiled-{chosen}"
    if done.exists():
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f"compiling-{chosen}.lock", timeout=_PATIENCE):
            if not done.exists():
                warm_cache(chosen)
                done.touch()
    except (OSError, Timeout, NotImplementedError) as error:  # read-only, full, or without locks: slower, not wrong
        warnings.warn(f"{directory}: not usable as a shared cache ({error}); set ASGD_CACHE_DIR", stacklevel=2)


def warm_cache(variant: str = "auto") -> Path:
    """Compile everything that a study needs, unless it is on disk already; returns the cache's directory.

    One compilation of a variant serves every configuration, so a tiny run does.
    """
    images, labels = np.zeros((4, *architecture.IMAGE_SHAPE), np.uint8), np.zeros(4, np.int64)
    engine = FusedEngine(RunConfig(), images, labels, variant=variant)
    engine.advance(1)
    engine.evaluate(images, labels)
    return cache_directory()
