"""The files that a study's results consist of: named here, because the workflow asks at every start, and `asgd verify`
asks what should be there."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from asgd.analyses.analysis import Chosen
from asgd.claims.claim import find_claims, list_read
from asgd.errors import AsgdError
from asgd.figures.plot import FORMATS, list_plots
from asgd.files import read_json
from asgd.report.generated import EXPLORER, list_generated
from asgd.settings.run import RunConfig
from asgd.study.plan import Study
from asgd.tables import columns

#: What lies beside the tables of the runs: what they were made on, and from which runs.
_BESIDE = ("environment.json", "study.json")

JUDGED = ("claims.json", "claims.html", "metrics.json")
REPORT = "report.pdf"


def list_aggregated(study: Study) -> dict[str, str]:
    """The files of the tables that aggregation makes from runs, by table, in tables/."""
    return {name: columns.name_file(name, study.params.selected.table_format) for name in columns.AGGREGATED}


def describe_aggregation(study: Study) -> dict[str, Any]:
    """What decides these tables beside the runs.

    Where they are Parquet they are made some arms at a time, so it must be known before which runs an arm has (`arms`:
    their places among all runs of the experiments) and in what the runs differ (`later`).
    """
    members = {name: [run.name for run in runs] for name, runs in study.experiments.items()}
    if study.params.selected.table_format == "csv":
        return {"experiments": members}
    preset, places = study.params.selected, {name: place for place, name in enumerate(study.runs)}
    arms: dict[str, dict[int, None]] = {}
    later: set[str] = set()
    for name, configs in preset.arms.items():
        runs = iter(study.experiments[name])
        for arm in configs:
            own = islice(runs, len(preset.seeds_of(name)))
            arms.setdefault(arm.arm(), {}).update(dict.fromkeys(places[run.name] for run in own))
            later |= columns.find_later(arm.model_dump())
    keys = [key for key in RunConfig.later_keys() if key in later]
    return {"experiments": members, "arms": [list(found) for found in arms.values()], "later": keys}


def list_analysis_files(analyses: Mapping[str, Chosen], trained: bool = False) -> list[str]:
    """The files of ``analyses`` (``Study.analyses``), in tables/; only those that take training to make again."""
    chosen = [one.analysis for one in analyses.values() if one.analysis.trains or not trained]
    return [file for analysis in chosen for file in analysis.files.values()]


def list_read_by_rules(study: Study) -> list[str]:
    """The tables of the study's analyses that the rules of its edition read."""
    tables = {table for one in study.analyses.values() for table in one.analysis.tables}
    return [name for name in list_read(study.params.claims.edition) if name in tables]


def find_earlier(study: Study, results: Path) -> Path | None:
    """The claims.json in ``results`` of the study whose verdicts are shown beside these; None if there is none."""
    name = study.params.selected.earlier
    return path if name and (path := results / name / JUDGED[0]).exists() else None


def select_figures(study: Study) -> dict[str, str | None]:
    """The figures that a study has, each with the experiment that it shows (None: all)."""
    tables = {*columns.AGGREGATED, *(table for one in study.analyses.values() for table in one.analysis.tables)}
    left_out = {name for name, experiment in study.params.selected.subjects.items() if experiment is None}
    plots = {
        name: plot for name, plot in list_plots().items() if tables.issuperset(plot.tables) and name not in left_out
    }
    found = {name: study.find_subject(name, plot.about) if plot.about else None for name, plot in plots.items()}
    return {name: experiment for name, experiment in found.items() if experiment or plots[name].about is None}


def describe_explorer(study: Study) -> dict[str, Any]:
    """What the explorer says of a study (`study`), and `captions`: those of the figures that claims name, in order."""
    figures, plots = select_figures(study), list_plots()
    named = dict.fromkeys(claim.figure for claim in find_claims(study.params.claims.edition).values())
    return {
        "study": {"preset": study.params.preset, "description": study.params.selected.description},
        "captions": {name: plots[name].caption for name in named if name in figures},
    }


def list_products(study: Study, report: Path) -> list[str]:
    """All files of a study, relative to its folder; but for ``REPORT``, which needs TeX.

    ``report`` is the project's folder of that name.
    """
    names = (*list_aggregated(study).values(), *_BESIDE, *list_analysis_files(study.analyses), *list_generated(report))
    tables = [f"tables/{name}" for name in names]
    figures = [f"figures/{name}.{suffix}" for name in select_figures(study) for suffix in FORMATS]
    return [*tables, *JUDGED, *figures, EXPLORER]


def check_taken(folder: Path, study: Study) -> None:
    """Raise AsgdError if a table that is taken as it is, and not made again, is not what checksums.json records.

    What is made from the tables gets new checksums; an edited table would get one with them, and pass for made.
    """
    from asgd.tables.files import hash_contents

    path = folder / "checksums.json"
    recorded = read_json(path)["files"] if path.exists() else {}
    taken = [*list_aggregated(study).values(), *_BESIDE, *list_analysis_files(study.analyses, trained=True)]
    for name in (f"tables/{table}" for table in taken if table != "study.json"):
        if name in recorded and not ((folder / name).exists() and hash_contents(folder / name) == recorded[name]):
            raise AsgdError(f"{folder / name}: not the table that {path} records; restore it, or make it from the runs")
