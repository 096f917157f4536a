"""Whether shipped results match their recorded configuration, sources and data: one check after another, by name.

Nothing is trained. What a clone does not have, the runs and the images, is left out and said to be.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.aggregate import COLUMNS, read_runs, summarize_metrics
from asgd.claims import claims_to_json, judge_claims
from asgd.config import Params, Run, RunConfig, validate
from asgd.data import source_fingerprint, verify_data
from asgd.errors import AsgdError
from asgd.files import read_json, write_json
from asgd.sources import fingerprint_sources, run_family
from asgd.study import Study, compare_manifests, compare_tables, name_some, plan_study
from asgd.tables import read_table

CHECKSUMS = "checksums.json"
#: In the folder of a preset, but no part of what is shipped: one is checked by its contents, one is Snakemake's.
_NOT_LISTED = {CHECKSUMS, "study.json", "report.html"}
_TOLERANCE = 1e-9  # processors may round a mean's last digit differently


@dataclass(frozen=True)
class Check:
    """What was compared, and what does not match."""

    name: str
    note: str  #: with what it was compared, or why it was not
    faults: tuple[str, ...] = ()
    skipped: bool = False  #: there was nothing to compare


def find_shipped(params: Params, results: Path) -> list[str]:
    """The presets that ``results`` holds tables of, in the order of params.yaml. Raises AsgdError if there are none."""
    found = [preset for preset in params.presets if (results / preset / "tables/study.json").exists()]
    if not found:
        raise AsgdError(f"{results}: no results of any preset there; make some with snakemake")
    return found


def verify_results(params: Params, results: Path, data_root: Path) -> list[Check]:
    """All checks on the results of the selected preset, in ``results``/<preset>, and on the runs in ``results``/runs.

    Raises AsgdError where the preset has no results.
    """
    folder = results / params.preset
    if not folder.is_dir():
        raise AsgdError(f"{folder}: no results of this preset there; make them with snakemake")
    study = plan_study(params, data_root)
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("configuration", lambda: check_configuration(study, folder)),
        ("tables", lambda: check_tables(study, folder)),
        ("run names", lambda: check_names(study, folder)),
        ("files", lambda: check_files(folder)),
        ("claims", lambda: check_claims(study, folder)),
        ("runs", lambda: check_runs(study, folder, results / "runs")),
        ("tables of runs", lambda: check_aggregation(study, folder, results / "runs")),
        ("images", lambda: check_images(study, folder)),
    ]
    return [_guard(name, check) for name, check in checks]


def format_checks(checks: Iterable[Check], title: str) -> str:
    """A line a check, and below it one for each mismatch."""
    lines = [title]
    for check in checks:
        state = "MISMATCH" if check.faults else "-" if check.skipped else "ok"
        lines.append(f"  {check.name:<15} {state:<9} {check.note}".rstrip())
        lines += [f"  {'':<15} {'':<9} * {fault}" for fault in check.faults]
    return "\n".join(lines)


def write_checksums(files: Iterable[str | Path], path: Path) -> None:
    """Write the SHA-256 of ``files``, which lie in the folder of ``path``, to ``path``."""
    write_json(path, {file.relative_to(path.parent).as_posix(): _hash(file) for file in sorted(map(Path, files))})


def check_configuration(study: Study, folder: Path) -> Check:
    """study.json is the study that params.yaml, the sources and the data give now."""
    faults = compare_manifests(read_json(folder / "study.json"), study.manifest())
    return Check("configuration", "study.json against params.yaml and the sources", tuple(faults))


def check_tables(study: Study, folder: Path) -> Check:
    """The tables were made from the runs that the study asks for now."""
    faults = compare_tables(read_json(folder / "tables/study.json"), study)
    return Check("tables", "tables/study.json against params.yaml and the sources", tuple(faults))


def check_names(study: Study, folder: Path) -> Check:
    """Every run of the tables has the name that its settings, the data and the sources give, and none is missing."""
    runs = read_table(folder / "tables/runs.csv", COLUMNS["runs"])
    evaluated = set(read_table(folder / "tables/evaluations.csv", COLUMNS["evaluations"])["run"])
    members = read_json(folder / "tables/study.json")["experiments"]
    expected = {name for names in members.values() for name in names}
    fingerprint = source_fingerprint(study.params.selected.data)
    faults = _other_names(runs, fingerprint)
    for what, names in (
        ("not in runs.csv", expected - set(runs["run"])),
        ("in runs.csv, but not of the study", set(runs["run"]) - expected),
        ("without rows in evaluations.csv", set(runs["run"]) - evaluated),
        ("in evaluations.csv, but not in runs.csv", evaluated - set(runs["run"])),
    ):
        if names:
            faults.append(f"{what}: {name_some(sorted(names))}")
    return Check("run names", f"{len(runs):,} runs against their settings, the data and the sources", tuple(faults))


def check_files(folder: Path) -> Check:
    """Tables, figures, verdicts and report have the contents that the workflow wrote."""
    recorded = read_json(folder / CHECKSUMS)
    files = {file.relative_to(folder): file for file in folder.rglob("*") if file.is_file()}
    present = {name.as_posix(): file for name, file in files.items() if not any(p.startswith(".") for p in name.parts)}
    faults = [f"{name}: missing" for name in recorded if name not in present]
    faults += [f"{name}: changed" for name in recorded if name in present and _hash(present[name]) != recorded[name]]
    faults += [f"{name}: not made with the others" for name in sorted(present.keys() - recorded.keys() - _NOT_LISTED)]
    return Check("files", f"{len(recorded)} files against {CHECKSUMS}", tuple(faults))


def check_claims(study: Study, folder: Path) -> Check:
    """claims.json and metrics.json are what the tables give with the margins of now."""
    runs = read_table(folder / "tables/runs.csv", COLUMNS["runs"])
    evaluations = read_table(folder / "tables/evaluations.csv", COLUMNS["evaluations"])
    base = study.params.base
    verdicts = judge_claims(runs, evaluations, study.params.claims, base)
    shipped = {entry["id"]: entry for entry in read_json(folder / "claims.json")["verdicts"]}
    judged = {entry["id"]: entry for entry in claims_to_json(verdicts)["verdicts"]}
    metrics = read_json(folder / "metrics.json")
    faults = [f"claims.json: {text}" for text in _compare_values(shipped, judged)]
    faults += [f"metrics.json: {text}" for text in _compare_values(metrics, summarize_metrics(runs, verdicts, base))]
    return Check("claims", f"{len(judged)} verdicts against the tables and margins", tuple(faults))


def check_runs(study: Study, folder: Path, pool: Path) -> Check:
    """Of the runs that are here, each is whole, unedited, and in the folder that its configuration gives."""
    names = _recorded_runs(folder)
    present = [name for name in names if (pool / name).exists()]
    faults = [fault for name in present for fault in _find_faults(pool / name)]
    note = f"{len(present):,} of {len(names):,} runs are in {pool}"
    return Check("runs", note, tuple(faults), skipped=not present)


def check_aggregation(study: Study, folder: Path, pool: Path) -> Check:
    """The tables are those of the runs; needs all of them."""
    name = "tables of runs"
    experiments = read_json(folder / "tables/study.json")["experiments"]
    names = _recorded_runs(folder)
    if not all((pool / run).exists() for run in names):
        return Check(name, "needs all runs", skipped=True)
    tables = zip(("runs", "evaluations"), read_runs([pool / run for run in names], experiments), strict=True)
    faults = [
        f"tables/{table}.csv: not what the runs give"
        for table, frame in tables
        if _as_text(frame) != _as_text(read_table(folder / f"tables/{table}.csv"))
    ]
    return Check(name, f"runs.csv and evaluations.csv against {len(names):,} runs", tuple(faults))


def _as_text(table: pd.DataFrame) -> str:
    """A table's results, to be compared exactly; a run that was trained again took another time."""
    return table.drop(columns=["wall_seconds", "steps_per_second"], errors="ignore").to_csv(index=False)


def check_images(study: Study, folder: Path) -> Check:
    """The prepared images, if they are here, are the ones that the runs saw."""
    if not study.data_folder.exists():
        return Check("images", f"{study.data_folder} is not here", skipped=True)
    found = verify_data(study.data_folder)
    recorded = read_json(folder / "tables/environment.json").get("data_content")
    faults = [] if recorded in (None, found) else [f"{study.data_folder}: not the images that the runs saw"]
    known = "the content that the runs recorded" if recorded else "the content hash of their preparation"
    return Check("images", f"{study.data_folder} against {known}", tuple(faults))


def _guard(name: str, check: Callable[[], Check]) -> Check:
    """A file that cannot be read, or not understood, is a mismatch and not the end of the other checks."""
    try:
        return check()
    except AsgdError as error:
        return Check(name, "", (str(error),))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        return Check(name, "", (f"the shipped files cannot be understood ({error!r})",))


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
    settings = {key: row[key] for key in RunConfig.model_fields if not pd.isna(row[key])}
    config = validate(RunConfig, settings, f"runs.csv: {row['run']}")
    sources = fingerprint_sources(run_family(config))
    return bool(row["run"] == Run.identify(config, fingerprint, sources).name and row["arm"] == config.arm())


def _find_faults(folder: Path) -> list[str]:
    try:
        read_runs([folder], {})
        record = read_json(folder / "run.json")
        settings = {**record["config"], "engine": record["engine"]["name"]}
        config = validate(RunConfig, settings, str(folder / "run.json"))
        name = Run.identify(config, record["data"]["fingerprint"], record["sources"]).name
    except AsgdError as error:
        return [str(error)]
    return (
        []
        if name == folder.name
        else [f"{folder / 'run.json'}: its configuration, data and sources are those of {name}"]
    )


def _recorded_runs(folder: Path) -> list[str]:
    experiments = read_json(folder / "tables/study.json")["experiments"]
    return list(dict.fromkeys(name for names in experiments.values() for name in names))


def _compare_values(shipped: Any, computed: Any, key: str = "") -> list[str]:
    """The values that differ, by dotted key."""
    if isinstance(shipped, Mapping) and isinstance(computed, Mapping):
        keys = dict.fromkeys([*shipped, *computed])
        parts = (_compare_values(shipped.get(k), computed.get(k), f"{key}.{k}" if key else str(k)) for k in keys)
        return [fault for part in parts for fault in part]
    if _is_same(shipped, computed):
        return []
    return [f"{key} is {_shorten(shipped)}, should be {_shorten(computed)}"]


def _is_same(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=_TOLERANCE, abs_tol=1e-12)
    return bool(first == second)


def _shorten(value: Any, most: int = 60) -> str:
    text = json.dumps(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _hash(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise AsgdError(f"{file}: cannot be read ({error.strerror})") from error
