"""The runs that the analyses of a study trained, by the record in tables/study.json, and what they give."""

from asgd.analyses.analysis import ROOM
from asgd.analyses.given import Find, Given, find_none
from asgd.analyses.training import Runs, find_in
from asgd.data import source_fingerprint
from asgd.errors import AsgdError
from asgd.members import load_member
from asgd.runs.archive import Packed
from asgd.runs.pool import Pool
from asgd.runs.sources import identify_run
from asgd.study.shipped import Results


def find_places(results: Results, analysis: str, pool: Pool) -> dict[str, Runs]:
    """What has all runs that ``analysis`` trained: the packed runs, the ``pool``; by name. A damaged file has none."""
    if analysis not in results.trained:
        return {}
    try:
        packed = results.packed
    except AsgdError:
        packed = Packed({})
    places: dict[str, Runs] = {results.shipped.runs: packed} if results.shipped.runs else {}
    places[str(pool.store)] = pool
    return {where: runs for where, runs in places.items() if all(run in runs for run in results.trained[analysis])}


def list_trained(results: Results) -> list[str]:
    """The runs that analyses trained beside those of the study; none as long as tables/study.json is not made.

    Raises AsgdError naming that file if it is damaged.
    """
    if not (results.folder / "tables/study.json").exists():
        return []
    return sorted({run for runs in results.trained.values() for run in runs} - set(results.study.runs))


def read_given(results: Results, analysis: str, find: Find = find_none) -> Given:
    """What ``analysis`` works on, with the tables of ``results``."""
    about, declared = results.study.describe_analysis(analysis), results.study.analyses[analysis].analysis
    tables = {name: results.table(name) for name in declared.reads}
    return Given(analysis, about["experiment"], about["study"], tables, find)


def look_up(results: Results, analysis: str, runs: Runs) -> tuple[Given, list[str]]:
    """What ``analysis`` works on, with its runs as they are in ``runs``, and the names of those that it asks for."""
    fingerprint = source_fingerprint(results.study.params.selected.data)
    given = read_given(results, analysis, find_in(runs, fingerprint, {}))
    plan = load_member(ROOM, analysis).plan(given)
    return given, sorted({identify_run(config, fingerprint).name for config in plan})
