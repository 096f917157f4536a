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


def find_run_sources(engine: str) -> dict[str, Any]:
    """The modules (name: path) that decide what runs of ``engine`` compute from their images."""
    return find_closure([ENGINES[engine], "asgd.job"], OUTSIDE)


def find_reader_sources(source: str) -> dict[str, Any]:
    """The modules (name: path) that decide which pixels and labels the source of images gives, in which order."""
    return find_closure([READERS[source], *_DATA_ROOTS], _DATA_OUTSIDE)


@cache
def fingerprint_run_sources(engine: str) -> str:
    """What stands for the sources of runs of ``engine`` in their names: 64 hexadecimal digits."""
    return _name_of(engine, hash_sources(find_run_sources(engine)))


@cache
def fingerprint_reader(source: str) -> str:
    """What stands for the sources of a reader of images in the fingerprint of its images; empty for the first ones."""
    return _name_of(f"data/{source}", hash_sources(find_reader_sources(source)))


def identify_run(config: RunConfig, data_fingerprint: str) -> Run:
    """The run of ``config`` on the images with this fingerprint, by the sources that are installed."""
    return Run.identify(config, data_fingerprint, fingerprint_run_sources(config.resolved_engine()[0]))


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


def _name_of(family: str, closure: str) -> str:
    entry = read_accepted().get(family)
    return str(entry["name"]) if entry and entry["closure"] == closure else closure
