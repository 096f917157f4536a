"""Making an analysis: its runs are trained, as many at a time as there are processes, then its tables are written.

What is finished is not trained again, and what was killed goes on from its checkpoint: its runs are runs of the pool.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asgd.analyses.analysis import ROOM, list_analyses
from asgd.analyses.given import Given, check_tables, find_in
from asgd.data import load_data, prepare_data
from asgd.errors import AsgdError
from asgd.files import write_json
from asgd.members import load_member
from asgd.runs.orders import Order
from asgd.runs.pool import Pool, train_all
from asgd.runs.sources import identify_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.tables.files import read_table, write_table


def make_analysis(
    description: Mapping[str, Any],
    tables: Mapping[str, str | Path],
    outputs: Mapping[str, str | Path],
    *,
    data_root: Path,
    pool: Pool,
    jobs: int = 1,
) -> list[str]:
    """Make the ``outputs`` (by table, and ``summary``) of an analysis from the ``tables`` that it reads.

    ``description`` is that of ``asgd.study.plan.Study.describe_analysis``. Returns the names of the analysis's runs.
    """
    name = str(description["name"])
    analysis, module = list_analyses()[name], load_member(ROOM, name)
    read = {table: read_table(path) for table, path in tables.items()}
    given = Given(name, description["experiment"], description["study"], read)
    used: list[str] = []
    if analysis.trains:
        data = validate(DataConfig, description["data"], "data")
        given, used = _train(given, module.plan, data, data_root, pool, jobs)
    made, summary = module.tabulate(given)
    check_tables(name, made, {table: list(declared.columns) for table, declared in analysis.tables.items()})
    for table, declared in analysis.tables.items():
        write_table(outputs[table], made[table], declared.key)
    if analysis.summary:
        write_json(outputs["summary"], summary)
    return used


def _train(
    given: Given, plan: Any, data: DataConfig, data_root: Path, pool: Pool, jobs: int
) -> tuple[Given, list[str]]:
    """``given`` with the runs that it needs, and their names."""
    dataset = load_data(prepare_data(data, data_root))
    find = find_in(pool.runs, dataset.fingerprint)
    given = Given(given.name, given.experiment, given.study, given.tables, find, len(dataset.train_labels))
    while True:
        configs: Sequence[RunConfig] = plan(given)
        lacking = [config for config in configs if find(config) is None]
        names = [identify_run(config, dataset.fingerprint).name for config in configs]
        if not lacking:
            return given, sorted(set(names))
        train_all(
            [Order(config, data, data_root, pool.runs, None, "auto", pool.checkpoints, 60.0) for config in lacking],
            pool,
            jobs,
        )
        if still := next((config for config in lacking if find(config) is None), None):
            raise AsgdError(
                f"analysis {given.name}: its run {still.slug()} was trained and is not there; look at the log"
            )
