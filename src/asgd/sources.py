"""Which sources decide a run's numbers, and the fingerprint of them that is part of its name.

The sources are an import closure (``asgd.closure``): of the training loop and the engine for what a run computes, of
the reader of its images for what it sees. So an edit that could change a number gives other names to the runs that it
could change, and no other edit does. Outside stand what a run's hash holds itself (settings), what only chooses among
members or stores results, and error messages.

An edit inside that leaves the numbers equal is accepted by `asgd sources accept`, which trains runs again to see that
it does (``asgd.accept``): ``accepted.json`` then says which name the present sources go by, and runs keep theirs.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from asgd.closure import find_closure, hash_sources
from asgd.config import Run, RunConfig
from asgd.engines import ENGINES
from asgd.errors import AsgdError

#: The readers of `data.source`, and what stores and opens what they read.
READERS = {source: f"asgd.data.{source}" for source in ("cifar10", "image_folder", "synthetic")}
_DATA_ROOTS = ("asgd.data.dataset",)

#: Modules that decide no number, and why an edit of them may not rename runs.
OUTSIDE = {
    "asgd.config": "settings: their values are in the hash",
    "asgd.engines": "a registry: it names members, and the closure starts from the one that a run uses",
    "asgd.data": "images have a fingerprint of their own",
    "asgd.sources": "names",
    "asgd.closure": "names",
    "asgd.run_folder": "storage: what a finished run's files look like",
    "asgd.files": "storage",
    "asgd.provenance": "records of versions and hardware",
    "asgd.errors": "messages",
}
_DATA_OUTSIDE = OUTSIDE.keys() - {"asgd.data"} | {"asgd.data.fingerprint", "asgd.data.prepare", "asgd.data.working"}

ACCEPTED = "accepted.json"

_DATA = "data/"


def find_sources(family: str) -> dict[str, Path]:
    """The modules (name: path) that decide numbers in a family of runs or images.

    A family is an engine, for what runs compute from their images, or ``data/<source>``, for which pixels and labels
    there are, in which order.
    """
    if family.startswith(_DATA):
        return find_closure([READERS[family.removeprefix(_DATA)], *_DATA_ROOTS], _DATA_OUTSIDE)
    return find_closure([ENGINES[family], "asgd.job"], OUTSIDE)


def list_families() -> list[str]:
    """All families, engines first."""
    return [*ENGINES, *map(data_family, READERS)]


@cache
def fingerprint_sources(family: str) -> str:
    """What stands for the sources of a family in the names of its runs or images.

    64 hexadecimal digits, or the name that accepted.json gives the present sources; empty for the first readers.
    """
    closure = hash_sources(find_sources(family))
    entry = read_accepted().get(family)
    return str(entry["name"]) if entry and entry["closure"] == closure else closure


def run_family(config: RunConfig) -> str:
    """The family that decides what a run computes."""
    return config.resolved_engine()[0]


def data_family(source: str) -> str:
    """The family that decides what `data.source` gives."""
    return f"{_DATA}{source}"


def identify_run(config: RunConfig, data_fingerprint: str) -> Run:
    """The run of ``config`` on the images with this fingerprint, by the sources that are installed."""
    return Run.identify(config, data_fingerprint, fingerprint_sources(run_family(config)))


@cache
def read_accepted() -> Mapping[str, Any]:
    """accepted.json: for each family of members the ``closure`` that goes by the ``name`` of earlier sources, and the
    ``evidence`` for that. Raises AsgdError if it is damaged."""
    file = files("asgd") / ACCEPTED
    try:
        accepted: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if any({"name", "closure", "evidence"} - entry.keys() for entry in accepted.values()):
            raise ValueError("an entry lacks a key")
    except (OSError, ValueError, AttributeError) as error:
        raise AsgdError(f"{file}: not a readable list of accepted sources ({error}); restore it from git") from error
    return accepted


def forget_sources() -> None:
    """Read sources and accepted.json again, after they were written."""
    fingerprint_sources.cache_clear()
    read_accepted.cache_clear()
