"""Whether shipped results match their recorded configuration, sources and data: one check after another, by name.

Nothing is trained. What can be made again from the tables of runs, and these from packed runs, is made again and
compared; the rest is compared with its checksum, and said to be. What a clone does not have is left out and said to be.
"""

import importlib.metadata
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.data import source_fingerprint, verify_data
from asgd.errors import AsgdError
from asgd.runs.pool import Pool
from asgd.runs.sources import fingerprint_run
from asgd.settings.run import Run
from asgd.settings.study import Params
from asgd.study.accept import check_accepted
from asgd.study.manifest import compare_manifests, compare_tables, name_some
from asgd.study.plan import plan_study
from asgd.study.products import list_analysis_files
from asgd.study.remake import (
    Check,
    check_aggregation,
    check_analysis,
    check_claims,
    check_explorer,
    check_figures,
    check_numbers,
    check_packed,
    check_readme,
    check_report,
    check_runs,
    check_summaries,
    check_trained,
)
from asgd.study.shipped import CHECKSUMS, Results
from asgd.study.trained import find_places
from asgd.tables.arms import whole_config_of

#: The libraries that decide what a run computes.
_LIBRARIES = ("numpy", "numba", "torch")


def find_shipped(params: Params, results: Path) -> list[str]:
    """The presets that should be in ``results``, and those that are, in the order of params.yaml.

    Raises AsgdError if there are none.
    """
    found = [preset for preset, study in params.presets.items() if study.shipped or _has_results(results / preset)]
    if not found:
        raise AsgdError(f"{results}: no preset has results here; make some with snakemake")
    return found


def _has_results(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("study.json", "tables/study.json"))


def verify_results(params: Params, results: Path, data_root: Path, without: Collection[str] = ()) -> Iterator[Check]:
    """All checks on the results of the selected preset, in ``results``/<preset>, and on the runs in ``results``/runs.

    They come one by one, as they are done; those named in ``without`` are not done. Raises AsgdError where the preset
    has no results and need not have any.
    """
    folder = results / params.preset
    if not _has_results(folder):
        if params.selected.shipped is None:
            raise AsgdError(f"{folder}: this preset has no results here; make them with snakemake")
        yield Check("files", "", (f"{folder}: no results there; params.yaml says that they are shipped",))
        return
    found = Results(plan_study(params, data_root), folder, results.resolve().parent)
    for name, check in _list_checks(found, results / "runs").items():
        found.consulted.clear()
        yield Check(name, "left out", skipped=True) if name in without else _guard(name, check, found)


def _list_checks(results: Results, store: Path) -> dict[str, Callable[[Results], Check]]:
    checks: dict[str, Callable[[Results], Check]] = {
        "configuration": check_configuration,
        "tables": check_tables,
        "run names": check_names,
        "accepted": check_accepted_sources,
        "files": check_files,
        "summaries": check_summaries,
        "claims": check_claims,
    }
    for name, chosen in results.study.analyses.items():
        trained = partial(check_trained, analysis=name, store=store)
        checks[name] = trained if chosen.analysis.trains else partial(check_analysis, analysis=name)
    checks |= {"numbers": check_numbers, "figures": check_figures, "explorer": check_explorer, "report": check_report}
    if results.shipped.readme:
        checks["README"] = check_readme
    if results.shipped.runs:
        checks["packed runs"] = check_packed
    checks |= {"runs": partial(check_runs, store=store), "tables of runs": partial(check_aggregation, store=store)}
    return checks | {
        "images": check_images,
        "versions": check_versions,
        "by checksum": partial(list_unmade, store=store),
    }


def format_check(check: Check) -> str:
    """A line, and below it one for each mismatch (*), warning (!) and failure of the check itself (?)."""
    states = (("NO RESULT", check.error), ("MISMATCH", check.faults), ("warning", check.warnings), ("-", check.skipped))
    state = next((state for state, holds in states if holds), "ok")
    lines = [f"  {check.name:<15} {state:<9} {check.note}".rstrip()]
    failure = check.error.strip().splitlines()[-1:]
    marked = [("*", check.faults), ("!", check.warnings), ("?", failure)]
    return "\n".join([*lines, *(f"  {'':<15} {'':<9} {mark} {text}" for mark, texts in marked for text in texts)])


def check_configuration(results: Results) -> Check:
    """study.json is the study that params.yaml, the sources and the data give now."""
    faults = compare_manifests(results.manifest("study.json"), results.study.manifest())
    return Check("configuration", "study.json against params.yaml and the sources", tuple(faults))


def check_tables(results: Results) -> Check:
    """The tables were made from the runs that the study asks for now."""
    faults = compare_tables(results.manifest("tables/study.json"), results.study)
    return Check("tables", "tables/study.json against params.yaml and the sources", tuple(faults))


def check_names(results: Results) -> Check:
    """Every run of the tables has the name that its settings, the data and the sources give, and none is missing."""
    runs = results.table("runs")
    evaluated = set(results.table("evaluations")["run"])
    expected = set(results.runs)
    faults = _other_names(runs, source_fingerprint(results.study.params.selected.data))
    own, other = results.name_tables("runs"), results.name_tables("evaluations")
    for what, names in (
        (f"not in {own}", expected - set(runs["run"])),
        (f"in {own}, but not of the study", set(runs["run"]) - expected),
        (f"without rows in {other}", set(runs["run"]) - evaluated),
        (f"in {other}, but not in {own}", evaluated - set(runs["run"])),
    ):
        if names:
            faults.append(f"{what}: {name_some(sorted(map(str, names)))}")
    return Check("run names", f"{len(runs):,} runs against their settings, the data and the sources", tuple(faults))


def check_accepted_sources(results: Results) -> Check:
    """Sources that go by an earlier name were accepted by training runs again that came out as the tables have them."""
    faults = check_accepted(results.study.params.preset, results.table("evaluations"))
    return Check("accepted", f"accepted.json against {results.name_tables('evaluations')}", tuple(faults))


def check_files(results: Results) -> Check:
    """The study's files are all there, can be read, and have the contents that the workflow wrote."""
    faults = tuple(f"{name}: {fault}" for name, fault in results.faults.items())
    return Check(
        "files", f"{len(results.checksums.files)} files against {CHECKSUMS} and what the study asks for", faults
    )


def check_images(results: Results) -> Check:
    """The prepared images, if they are here, are the ones that the runs saw."""
    folder = results.study.data_folder
    if not folder.exists():
        return Check("images", f"{folder} is not here", skipped=True)
    found = verify_data(folder)
    recorded = results.json("tables/environment.json").get("data_content")
    faults = [] if recorded in (None, found) else [f"{folder}: not the images that the runs saw"]
    known = "the content that the runs recorded" if recorded else "the content hash of their preparation"
    return Check("images", f"{folder} against {known}", tuple(faults))


def check_versions(results: Results) -> Check:
    """Runs trained here would use the libraries and kernels of the recorded ones; others are a warning."""
    recorded = results.json("tables/environment.json")
    here = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    variants = str(recorded.get("device", "")).split(" / ")
    if "vector" in variants or "plain" in variants:
        from asgd.simulator.fused.kernels import choose_kernels

        here["device"] = choose_kernels()
    used = {name: str(recorded[name]).split(" / ") for name in here if name in recorded}
    warnings = [
        f"{'kernels' if name == 'device' else name}: the runs used {' and '.join(used[name])}, here is {here[name]}"
        for name in used
        if here[name] not in used[name]
    ]
    return Check("versions", f"{', '.join(used)} against those of the runs", warnings=tuple(warnings), skipped=not used)


def list_unmade(results: Results, store: Path) -> Check:
    """What no check makes again, here, but compares with its checksum only."""
    pool = Pool(store)
    unchecked = {name: about for name, about in results.study.analyses.items() if not find_places(results, name, pool)}
    unmade = [f"tables/{name}" for name in list_analysis_files(unchecked, trained=True)]
    if not results.shipped.runs:
        unmade.insert(0, "tables/environment.json")
        if not all(map(pool.has_any, results.runs)):
            unmade = [results.table_file("runs"), results.table_file("evaluations"), *unmade]
    return Check("by checksum", f"only: {', '.join(unmade)}" if unmade else "only: nothing", skipped=True)


def _guard(name: str, check: Callable[[Results], Check], results: Results) -> Check:
    """A file that is damaged is a mismatch, and a fault of the check itself is none; neither ends the other checks."""
    try:
        return check(results)
    except AsgdError as error:
        return Check(name, "", (str(error),))
    except Exception as error:
        failure, consulted = traceback.format_exc(), set(results.consulted)
        damaged = sorted(consulted & _list_damaged(results))
        if damaged:
            return Check(name, "", (f"cannot be checked, since these are damaged: {', '.join(damaged)} ({error!r})",))
        return Check(name, "the check failed; the files may be sound", error=failure)


def _list_damaged(results: Results) -> set[str]:
    try:
        return set(results.faults)
    except AsgdError:  # without checksums nothing is known to be sound
        return set(results.consulted)


def _other_names(runs: pd.DataFrame, fingerprint: str) -> list[str]:
    """Runs of the table whose settings give another name or arm; by engine, since sources change for all at once."""
    faults = []
    for engine, group in runs.groupby("engine", sort=False):
        wrong = [row["run"] for row in group.to_dict("records") if not _has_its_name(row, fingerprint)]
        if len(wrong) == len(group) > 1:
            faults.append(f"other sources or data made all {len(wrong):,} runs of {engine}: {name_some(wrong)}")
        elif wrong:
            faults.append(f"settings, data or sources give another name: {name_some(wrong)}")
    return faults


def _has_its_name(row: Mapping[Any, Any], fingerprint: str) -> bool:
    config = whole_config_of(row)
    return bool(
        row["run"] == Run.identify(config, fingerprint, fingerprint_run(config)).name and row["arm"] == config.arm()
    )
