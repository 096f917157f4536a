"""The files that a study's results consist of: named here, because the workflow asks at every start, and `asgd verify`
asks what should be there."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from asgd.analyses.analysis import Chosen
from asgd.errors import AsgdError
from asgd.files import read_json
from asgd.report.generated import GENERATED
from asgd.study.freshness import hash_file
from asgd.study.plan import Study

#: What aggregation makes from runs, in tables/.
AGGREGATED = (
    "runs.csv",
    "evaluations.csv",
    "arms.csv",
    "curves.csv",
    "dvc_curves.csv",
    "environment.json",
    "study.json",
)

#: The figures, each with the experiment that it shows (None: all of them).
FIGURES = {
    "figure1_delay": "delay",
    "figure1_real_time": "delay",
    "figure2_momentum": "momentum",
    "figure3_dropout": "dropout",
    "outcomes": None,
    "sharpness": "map",
    "phase_map": "map",
    "reconciliation": "map",
    "readings": "readings",
    "death": "readings",
    "regulariser": "regulariser",
}
FORMATS = ("pdf", "png")

JUDGED = ("claims.json", "claims.html", "metrics.json")
REPORT = "report.pdf"


def list_analysis_files(analyses: Mapping[str, Chosen], trained: bool = False) -> list[str]:
    """The files of ``analyses`` (``Study.analyses``), in tables/; only those that take training to make again."""
    chosen = [one.analysis for one in analyses.values() if one.analysis.trains or not trained]
    return [file for analysis in chosen for file in analysis.files.values()]


def select_figures(experiments: Iterable[str]) -> list[str]:
    """The names of ``FIGURES`` that a study with these experiments has."""
    present = {*experiments, None}
    return [name for name, needed in FIGURES.items() if needed in present]


def list_products(study: Study) -> list[str]:
    """All files of a study, relative to its folder; but for ``REPORT``, which needs TeX."""
    names = list(study.experiments)
    tables = [f"tables/{name}" for name in (*AGGREGATED, *list_analysis_files(study.analyses), *GENERATED)]
    figures = [f"figures/{name}.{suffix}" for name in select_figures(names) for suffix in FORMATS]
    return [*tables, *JUDGED, *figures]


def check_taken(folder: Path, study: Study) -> None:
    """Raise AsgdError if a table that is taken as it is, and not made again, is not what checksums.json records.

    What is made from the tables gets new checksums; an edited table would get one with them, and pass for made.
    """
    path = folder / "checksums.json"
    recorded = read_json(path)["files"] if path.exists() else {}
    taken = [*AGGREGATED, *list_analysis_files(study.analyses, trained=True)]
    for name in (f"tables/{table}" for table in taken if table != "study.json"):
        if name in recorded and hash_file(folder / name) != recorded[name]:
            raise AsgdError(f"{folder / name}: not the table that {path} records; restore it, or make it from the runs")
