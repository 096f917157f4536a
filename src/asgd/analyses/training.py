"""The runs of an analysis: those that the store lacks are trained, as many at a time as there are processes.

What is finished is not trained again, and what was killed goes on from its checkpoint.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from asgd.analyses.given import Find, Given, Trained
from asgd.data import source_fingerprint
from asgd.errors import AsgdError
from asgd.runs.kept import keep_runs, restore_runs
from asgd.runs.orders import Setup, train_orders
from asgd.runs.pool import Pool
from asgd.runs.sources import identify_run
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate


class Runs(Protocol):
    """Finished runs by name, as ``asgd.runs.pool.Pool`` has them."""

    def __contains__(self, run: str) -> bool: ...

    def read_whole(self, run: str) -> tuple[dict[str, Any], str, dict[str, bytes]]:
        """The record, the metrics and the contents of all files of a run."""


Plan = Callable[[Given], Iterable[RunConfig]]
Report = Callable[[list[str]], None]


def train_for(
    given: Given,
    plan: Plan,
    data: Mapping[str, Any],
    data_root: Path,
    jobs: int,
    report: Report = lambda names: None,
    setup: Setup | None = None,
) -> Given:
    """``given`` with all runs that ``plan`` names, trained where they are lacking, on the images of ``data``.

    ``report`` is told the names of the runs before they are trained. The images are needed for what is lacking only.
    Raises AsgdError where runs fail.
    """
    images = validate(DataConfig, data, "data")
    fingerprint = source_fingerprint(images)
    setup = setup or Setup(data_root, logs=Path("logs/runs"))
    tried: set[str] = set()
    known: dict[str, Trained] = {}
    while True:
        pool = Pool(setup.store)
        given = replace(given, find=find_in(pool, fingerprint, known))
        wanted = {identify_run(config, fingerprint).name: config for config in plan(given)}
        report(sorted(wanted))
        if restore_runs(wanted, pool, setup.kept):
            given = replace(given, find=find_in(Pool(setup.store), fingerprint, known))
        lacking = {name: config for name, config in wanted.items() if given.find(config) is None}
        if not lacking:
            return given
        if again := sorted(tried & lacking.keys()):
            raise AsgdError(
                f"{setup.store / again[0]}: was trained, but its files are missing; read the logs in {setup.logs}"
            )
        tried |= lacking.keys()
        folders = {name: str(setup.store / name) for name in lacking}
        train_orders([Order(run=lacking[name], data=images, out=out) for name, out in folders.items()], setup, jobs)
        keep_runs(wanted, Pool(setup.store), setup.kept)


def find_in(runs: Runs, fingerprint: str, known: dict[str, Trained]) -> Find:
    """Looks up runs on the images with this ``fingerprint``; each is read once, checked, and then ``known``."""

    def find(config: RunConfig) -> Trained | None:
        name = identify_run(config, fingerprint).name
        if name not in known and name in runs:
            known[name] = _read(runs, name)
        return known.get(name)

    return find


def _read(runs: Runs, run: str) -> Trained:
    record, metrics, contents = runs.read_whole(run)
    if "probes.csv" not in contents:
        return Trained(record, pd.DataFrame(), metrics)
    return Trained(record, pd.read_csv(io.BytesIO(contents["probes.csv"])).set_index("step", drop=False), metrics)
