"""The files that a study's results consist of: named here, because the workflow asks at every start, and `asgd verify`
asks what should be there."""

from collections.abc import Iterable
from pathlib import Path

from asgd.errors import AsgdError
from asgd.figures.plot import FORMATS, list_plots
from asgd.files import read_json
from asgd.report.generated import list_generated
from asgd.study.freshness import hash_file
from asgd.study.plan import Study
from asgd.tables import columns

#: What aggregation makes from runs, in tables/.
AGGREGATED = (*(f"{name}.csv" for name in columns.AGGREGATED), "environment.json", "study.json")

#: The further analyses, in tables/, each with the experiment that it needs.
ANALYSES = {
    "map.csv": "map",
    "map_claims.csv": "map",
    "map_pairs.csv": "map",
    "map_summary.json": "map",
    "sharpness.csv": "map",
    "death.csv": "readings",
    "death_logits.csv": "readings",
    "death_survey.csv": "readings",
    "death_summary.json": "readings",
}

JUDGED = ("claims.json", "claims.html", "metrics.json")
REPORT = "report.pdf"


def select_analyses(experiments: Iterable[str]) -> list[str]:
    """The files of ``ANALYSES`` that a study with these experiments has."""
    present = set(experiments)
    return [name for name, needed in ANALYSES.items() if needed in present]


def select_trained(experiments: Iterable[str]) -> list[str]:
    """Those of ``select_analyses`` that take training to make again."""
    return [name for name in select_analyses(experiments) if not name.startswith("map")]


def select_figures(study: Study) -> dict[str, str | None]:
    """The figures that a study has, each with the experiment that it shows (None: all)."""
    tables = {name.removesuffix(".csv") for name in (*AGGREGATED, *select_analyses(study.experiments))}
    plots = {name: plot for name, plot in list_plots().items() if tables.issuperset(plot.tables)}
    found = {name: study.find_subject(name, plot.about) if plot.about else None for name, plot in plots.items()}
    return {name: experiment for name, experiment in found.items() if experiment or plots[name].about is None}


def list_products(study: Study, report: Path) -> list[str]:
    """All files of a study, relative to its folder; but for ``REPORT``, which needs TeX.

    ``report`` is the project's folder of that name.
    """
    tables = [f"tables/{name}" for name in (*AGGREGATED, *select_analyses(study.experiments), *list_generated(report))]
    figures = [f"figures/{name}.{suffix}" for name in select_figures(study) for suffix in FORMATS]
    return [*tables, *JUDGED, *figures]


def check_taken(folder: Path, experiments: Iterable[str]) -> None:
    """Raise AsgdError if a table that is taken as it is, and not made again, is not what checksums.json records.

    What is made from the tables gets new checksums; an edited table would get one with them, and pass for made.
    """
    path = folder / "checksums.json"
    recorded = read_json(path)["files"] if path.exists() else {}
    taken = [*AGGREGATED, *select_trained(experiments)]
    for name in (f"tables/{table}" for table in taken if table != "study.json"):
        if name in recorded and hash_file(folder / name) != recorded[name]:
            raise AsgdError(f"{folder / name}: not the table that {path} records; restore it, or make it from the runs")
