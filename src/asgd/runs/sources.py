"""Which sources decide a run's numbers, and the fingerprint of them that is part of its name.

The sources are an import closure (``asgd.closure``): of the training loop and the engine for what a run computes, of
the reader of its images for what it sees (``asgd.data.sources``). So an edit that could change a number gives other
names to the runs that it could change, and no other edit does. An edit inside that leaves the numbers equal is accepted
by `asgd sources accept` (``asgd.study.accept``).
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from asgd.accepted import name_sources, read_accepted
from asgd.closure import find_closure, hash_sources
from asgd.data.sources import READERS, find_reader, fingerprint_reader, reader_family
from asgd.errors import AsgdError
from asgd.settings.choice import is_file
from asgd.settings.run import Run, RunConfig
from asgd.simulator.engines import ENGINES, member_modules, paper_modules

#: Where the sources of numbers lie. Settings have their values in a run's hash, images a fingerprint of their own; the
#: other rooms name, store, judge and show what comes out.
_WITHIN = ("asgd.simulator", "asgd.runs.train", "asgd.runs.checkpoint")
#: A registry: it names members, and the closure starts from the one that a run uses.
_OUTSIDE = ("asgd.simulator.engines",)


def find_sources(family: str) -> dict[str, Path]:
    """The modules (name: path) that decide numbers in a family of runs, an engine, or of images, ``data/<source>``."""
    for source in READERS:
        if family == reader_family(source):
            return find_reader(source)
    return find_closure([*ENGINES[family], *paper_modules(), "asgd.runs.train"], _WITHIN, _OUTSIDE)


def list_families() -> list[str]:
    """All families, engines first."""
    return [*ENGINES, *map(reader_family, READERS)]


@cache
def fingerprint_sources(family: str) -> str:
    """What stands for the sources of a family in the names of its runs or images."""
    return name_sources(family, find_sources(family))


def run_family(config: RunConfig) -> str:
    """The family that decides what a run computes."""
    return config.resolved_engine()[0]


def fingerprint_run(config: RunConfig) -> str:
    """What stands for the sources of a run in its name: those of its engine, and of the members that it has chosen."""
    engine = fingerprint_sources(run_family(config))
    members = tuple(member_modules(config))
    return _add_members(engine, run_family(config), members) if members else engine


@cache
def _add_members(fingerprint: str, family: str, members: tuple[str, ...]) -> str:
    own = {name: Path(name) for name in members if is_file(name)}
    if missing := [name for name, path in own.items() if not path.is_file()]:
        raise AsgdError(f"{missing[0]}: no such file; give the path of a Python file")
    roots = [name for name in members if name not in own]
    modules = find_closure(roots, _WITHIN, [*_OUTSIDE, *find_sources(family)])
    return hashlib.sha256(f"{fingerprint} {hash_sources(modules | own)}".encode()).hexdigest()


def identify_run(config: RunConfig, data_fingerprint: str) -> Run:
    """The run of ``config`` on the images with this fingerprint, by the sources that are installed."""
    return Run.identify(config, data_fingerprint, fingerprint_run(config))


def identify_arm(arm: RunConfig, seeds: Iterable[int], data_fingerprint: str) -> list[Run]:
    """The runs of the arm of ``arm`` with each of ``seeds``, otherwise as ``identify_run``."""
    return Run.identify_arm(arm, seeds, data_fingerprint, fingerprint_run(arm))


def forget_sources() -> None:
    """Read sources and accepted.json again, after they were written."""
    for function in (fingerprint_sources, _add_members, fingerprint_reader, read_accepted):
        function.cache_clear()
