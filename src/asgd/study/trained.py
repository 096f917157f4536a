"""The runs that the analyses of a study train: which they are follows from its tables, and from what is trained."""

from pathlib import Path

from asgd.analyses.analysis import ROOM
from asgd.analyses.given import Given
from asgd.analyses.training import Runs, find_in
from asgd.data import source_fingerprint
from asgd.members import load_member
from asgd.runs.pool import Pool
from asgd.runs.sources import identify_run
from asgd.study.shipped import Results


def look_up(results: Results, analysis: str, runs: Runs) -> tuple[Given, list[str]]:
    """What ``analysis`` works on, with its runs as they are in ``runs``, and the names of all that it asks for.

    Where ``runs`` lacks one of these, there may be more: which ones an analysis trains can depend on how others came
    out. Raises AsgdError naming a table that it reads and that is not there.
    """
    about, declared = results.study.describe_analysis(analysis), results.study.analyses[analysis].analysis
    fingerprint = source_fingerprint(results.study.params.selected.data)
    tables = {name: results.table(name) for name in declared.reads}
    given = Given(analysis, about["experiment"], about["study"], tables, find_in(runs, fingerprint, {}))
    plan = load_member(ROOM, analysis).plan(given)
    return given, sorted({identify_run(config, fingerprint).name for config in plan})


def find_complete(results: Results, analysis: str, store: Path) -> dict[str, Given]:
    """What ``analysis`` works on with its runs, by who has all of them: the packed file, the ``store``."""
    found = {}
    with Pool(store) as pool:
        places: dict[str, Runs] = {results.shipped.runs: results.packed} if results.shipped.runs else {}
        for where, runs in {**places, str(store): pool}.items():
            given, names = look_up(results, analysis, runs)
            if all(name in runs for name in names):
                found[f"{len(names):,} runs of {where}"] = given
    return found


def list_trained(results: Results, runs: Runs) -> list[str]:
    """The runs that all analyses ask for, but for those of the study, and for analyses whose tables are not there yet.

    As far as ``runs`` lets them know: see ``look_up``.
    """
    known = [
        name
        for name, (analysis, _) in results.study.analyses.items()
        if analysis.trains and all((results.folder / results.table_file(table)).exists() for table in analysis.reads)
    ]
    found = {run for name in known for run in look_up(results, name, runs)[1]}
    return sorted(found - set(results.study.runs))
