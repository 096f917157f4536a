"""Making an analysis: its runs are trained if it has any, then its tables are written."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asgd.analyses.analysis import ROOM, list_analyses
from asgd.analyses.given import Given, check_tables
from asgd.files import write_json
from asgd.members import load_member
from asgd.settings.folders import DATA_ROOT
from asgd.tables.files import read_table, write_table

Paths = Mapping[str, str | Path]


def make_analysis(
    description: Mapping[str, Any],
    tables: Paths,
    outputs: Paths,
    *,
    data_root: Path = DATA_ROOT,
    jobs: int = 1,
    report: Callable[[list[str]], None] = lambda names: None,
) -> None:
    """Make the ``outputs`` (by table, and ``summary``) of an analysis from the ``tables`` that it reads.

    ``description`` is that of ``asgd.study.plan.Study.describe_analysis``; what follows is for ``train_for``. Raises
    AsgdError where runs fail, or what was made is not what the analysis declares.
    """
    name = str(description["name"])
    analysis, module = list_analyses()[name], load_member(ROOM, name)
    read = {table: read_table(path) for table, path in tables.items()}
    given = Given(name, description["experiment"], description["study"], read)
    if analysis.trains:
        # By name: how runs are trained decides nothing that is not in their names, and need not make tables again.
        training = load_member(ROOM, "training")
        given = training.train_for(given, module.plan, description["data"], data_root, jobs, report)
    made, summary = module.tabulate(given)
    check_tables(name, made, {table: list(declared.columns) for table, declared in analysis.tables.items()})
    for table, declared in analysis.tables.items():
        write_table(outputs[table], made[table], declared.key)
    if analysis.summary:
        write_json(outputs["summary"], summary)
