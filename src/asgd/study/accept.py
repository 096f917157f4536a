"""Accepting an edit of sources that decide numbers: runs are trained again, and must come out as they were.

The runs are drawn over all experiments of the presets whose tables are here, every engine and every way to end
included. What their tables hold is compared with what the present sources give, value by value. If all is equal,
``accepted.json`` says that the present sources go by the name of the earlier ones, and no run is renamed.
"""

import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from pydantic import BaseModel

from asgd.accepted import ACCEPTED, read_accepted
from asgd.closure import hash_sources
from asgd.data import load_data, prepare_data, source_fingerprint
from asgd.data.sources import reader_family
from asgd.errors import AsgdError
from asgd.files import read_json, write_json, write_text
from asgd.processes import map_processes
from asgd.runs.folder import format_metrics
from asgd.runs.sources import find_sources, forget_sources, identify_run, list_families, run_family
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.settings.study import Params
from asgd.simulator.simulate import FIRST_COLUMNS, METRICS_COLUMNS
from asgd.tables.arms import whole_config_of
from asgd.tables.evaluations import complete_evaluations
from asgd.tables.files import find_table, read_table

#: Relative difference that counts as rounding, of single precision too, in columns declared to round otherwise.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Kept:
    """A run whose numbers are known."""

    name: str
    preset: str
    experiment: str
    outcome: str
    config: RunConfig
    data: DataConfig
    evaluations: pd.DataFrame  #: its rows of the table evaluations


@dataclass(frozen=True)
class Compared:
    """A run that was trained again."""

    run: Kept
    digest: str  #: SHA-256 over its values, but for the columns that may round differently
    differing: Mapping[str, float]  #: columns that differ, and the largest relative difference
    versions: Mapping[str, str]  #: of the libraries that trained it
    against: str = "table"  #: what it was compared with, or "earlier" sources


def read_kept(params: Params, results: Path) -> list[Kept]:
    """The runs of all presets that have tables in ``results``, once for each experiment.

    Of those that are shipped, if any is: a demonstration made here is not there, or is another, where this is verified.
    """
    kept = []
    there = [preset for preset in params.presets if find_table(results / preset / "tables", "evaluations").exists()]
    for preset in [preset for preset in there if params.presets[preset].shipped] or there:
        folder = results / preset / "tables"
        tables = {name: find_table(folder, name) for name in ("runs", "evaluations")}
        runs = read_table(tables["runs"], ("run", "experiments", "outcome"))
        evaluations = dict(list(read_table(tables["evaluations"], ("run", *FIRST_COLUMNS)).groupby("run")))
        data = params.presets[preset].data
        if missing := set(runs["run"]) - evaluations.keys():
            raise AsgdError(f"{tables['evaluations']}: rows of run {missing.pop()} are missing; restore it")
        for row in runs.to_dict("records"):
            config = whole_config_of(row, str(tables["runs"]))
            if config.execution != "simulated":  # real workers come in another order each time
                continue
            about = (str(row["outcome"]), config, data, evaluations[row["run"]])
            kept += [Kept(row["run"], preset, name, *about) for name in str(row["experiments"]).split(";")]
    return kept


def draw_runs(kept: Sequence[Kept], number: int, seed: int) -> list[Kept]:
    """``number`` different runs at random, in turn from every experiment, engine and outcome of each."""
    generator = random.Random(seed)
    groups: dict[tuple[str, ...], list[Kept]] = defaultdict(list)
    for run in kept:
        groups[run.preset, run.experiment, run_family(run.config), run.outcome].append(run)
    for group in groups.values():
        generator.shuffle(group)
    drawn: dict[str, Kept] = {}
    while len(drawn) < number and any(groups.values()):
        for group in [group for group in groups.values() if group]:
            run = group.pop()
            if len(drawn) < number:
                drawn.setdefault(run.name, run)
    return list(drawn.values())


def train_again(
    runs: Sequence[Kept], data_root: Path, jobs: int, rounding: Iterable[str], earlier: Path | None
) -> Iterator[Compared]:
    """Train ``runs`` in ``jobs`` processes and compare each with its table; the columns ``rounding`` may round.

    A run that differs there, perhaps because the table was made on another machine, is trained by the sources in
    ``earlier`` too, if there are any, and compared with that.
    """
    for data in {run.data for run in runs}:
        prepare_data(data, data_root)  # once, before the jobs ask for it together
    work = partial(_train, data_root=data_root, rounding=frozenset(rounding), earlier=earlier)
    yield from map_processes(work, sorted(runs, key=lambda run: -run.evaluations["step"].max()), jobs)  # longest first


def _train(run: Kept, data_root: Path, rounding: frozenset[str], earlier: Path | None) -> Compared:
    dataset = load_data(prepare_data(run.data, data_root))
    result = train_run(run.config, dataset)
    metrics = pd.read_csv(io.StringIO(format_metrics(result.rows)))
    trained = complete_evaluations(metrics, result.record)[list(METRICS_COLUMNS)]
    versions = result.record["versions"]
    found = compare_evaluations(run, trained, rounding, versions)
    if not found.differing or earlier is None:
        return found
    before = complete_evaluations(_train_by(earlier, run, data_root), result.record)
    again = compare_evaluations(replace(run, evaluations=before), trained, rounding, versions)
    return replace(again, run=run, against="earlier")


def _train_by(sources: Path, run: Kept, data_root: Path) -> pd.DataFrame:
    """metrics.csv of ``run`` as trained by the package in the folder ``sources``."""
    with TemporaryDirectory() as folder:
        flags = [*_type_flags(run.config), *_type_flags(run.data, "data-"), f"--data-root={data_root}"]
        command = [sys.executable, "-P", "-m", "asgd", "train", *flags]
        command += [f"--checkpoints={folder}", f"--out={folder}/run"]
        environment = {**os.environ, "PYTHONPATH": str(sources)}
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:]
            raise AsgdError(f"{run.name}: the earlier sources cannot train this run ({why})")
        if (name := read_json(f"{folder}/run/run.json")["run"]) != run.name:
            raise AsgdError(
                f"--earlier: with these sources {run.name} would be named {name}; give a commit with the same name"
            )
        return pd.read_csv(f"{folder}/run/metrics.csv")


def _type_flags(model: BaseModel, prefix: str = "") -> list[str]:
    """``model`` as a person would type it: flags are the one interface that every earlier commit has."""
    flags = []
    for key, value in model.model_dump(mode="json", exclude_defaults=True).items():
        name = f"{prefix}{key.replace('_', '-')}"
        flags.append((f"--{name}" if value else f"--no-{name}") if isinstance(value, bool) else f"--{name}={value}")
    return flags


@contextmanager
def unpack_sources(commit: str) -> Iterator[Path]:
    """The folder src of a commit of this repository. Raises AsgdError if there is none."""
    done = subprocess.run(["git", "archive", commit, "src"], capture_output=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise AsgdError(
            f"--earlier {commit}: the sources of this commit cannot be read ({reason}); give another commit"
        )
    with TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(folder)
        yield Path(folder, "src")


def compare_evaluations(
    run: Kept, trained: pd.DataFrame, rounding: Iterable[str], versions: Mapping[str, str]
) -> Compared:
    """How ``trained``, the evaluations of ``run`` as trained again, differ from those that are known."""
    columns = [column for column in METRICS_COLUMNS if column in run.evaluations and column in trained]
    known = run.evaluations[columns].reset_index(drop=True)
    if len(known) != len(trained):
        return Compared(run, "", {"step": float("inf")}, versions)
    differing = {}
    for column in columns:
        same = (known[column] == trained[column]) | (known[column].isna() & trained[column].isna())
        if not same.all():
            distance = ((trained[column] - known[column]) / known[column]).abs().fillna(float("inf"))
            largest = float(distance[~same].max())
            if column not in rounding or largest > ROUNDING:
                differing[column] = largest
    return Compared(run, digest_evaluations(trained, rounding), differing, versions)


def digest_evaluations(evaluations: pd.DataFrame, rounding: Iterable[str]) -> str:
    """SHA-256 (hex) over the values of a run's evaluations, but for the columns ``rounding``.

    Of the columns that the first runs have: the others follow from the step, or from the sources of other members.
    """
    columns = [column for column in FIRST_COLUMNS if column not in set(rounding)]
    text = evaluations[columns].to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def accept_sources(
    params: Params,
    results: Path,
    data_root: Path,
    *,
    jobs: int = 1,
    number: int = 30,
    seed: int = 0,
    rounding: Sequence[str] = (),
    earlier: str | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Let the present sources go by the names that the runs of the tables in ``results`` have, if they are equal.

    Nothing is written unless ``number`` runs, drawn by ``seed``, and all images come out as they were; else AsgdError
    names what differs. The columns ``rounding`` may differ by ``ROUNDING``. ``earlier`` is a commit to compare with
    where a table was made on a machine that rounds otherwise. ``report`` is given lines of progress.
    """
    if unknown := set(rounding) - set(METRICS_COLUMNS):
        raise AsgdError(
            f"--rounding {unknown.pop()}: not a column of metrics.csv; the columns are {', '.join(METRICS_COLUMNS)}"
        )
    kept = read_kept(params, results)
    if not kept:
        raise AsgdError(f"{results}: no preset has tables, so there is nothing to compare with")
    closures = {family: hash_sources(find_sources(family)) for family in list_families()}
    entries = {**{family: _own(closure) for family, closure in closures.items()}, **read_accepted()}
    # Nothing says what the sources were called that gave these runs their names.
    if lost := {
        run.name: run.preset for run in _find_renamed(kept) if not {*_families_of([run])} <= read_accepted().keys()
    }:
        presets = ", ".join(dict.fromkeys(lost.values()))
        report(f"{presets}: runs get new names, since the earlier sources of their images were never accepted")
        kept = [run for run in kept if run.name not in lost]
    closures = {family: closures[family] for family in dict.fromkeys(_families_of(kept))}
    stale = {family for family, closure in closures.items() if entries[family]["closure"] != closure}
    evidence = check_images(kept, results, data_root) if stale else {}
    drawn = draw_runs([run for run in kept if run_family(run.config) in stale], number, seed)
    if idle := stale - set(_families_of(drawn)) - evidence.keys():
        raise AsgdError(f"--runs {number}: too few to try {', '.join(sorted(idle))}; give more")
    if drawn:
        report(f"training {len(drawn)} of {len({run.name for run in kept}):,} runs again")
    with unpack_sources(earlier) if earlier else nullcontext() as sources:
        trained = train_again(drawn, data_root, jobs, rounding, sources)
        evidence |= _collect_evidence(trained, rounding, earlier, report)
    for family in stale:
        entries[family] = {**entries[family], "closure": closures[family], "evidence": evidence[family]}
    _write(entries, kept)
    report(f"{ACCEPTED}: {', '.join(sorted(stale)) or 'nothing new to accept'}; every run has its name")


def check_accepted(preset: str, evaluations: pd.DataFrame) -> list[str]:
    """What is wrong with ``accepted.json`` as far as the evaluations of a preset tell, a sentence each."""
    rows = dict(list(evaluations.groupby("run")))
    faults = []
    for family, entry in read_accepted().items():
        evidence = entry["evidence"]
        if not evidence and entry["name"] != entry["closure"]:
            faults.append(f"{family}: accepted without evidence; run asgd sources accept")
        for name, digest in evidence.get("runs", {}).get(preset, {}).items():
            if name not in rows:
                faults.append(f"{family}: run {name} is not in the table evaluations")
            elif digest_evaluations(rows[name], evidence["rounding"]) != digest:
                faults.append(f"{family}: run {name} did not come out as the table evaluations has it")
    return faults


def check_images(kept: Iterable[Kept], results: Path, data_root: Path) -> dict[str, dict[str, Any]]:
    """The evidence for each reader of images: the content that it reads now, which is what the runs saw.

    Raises AsgdError where it is not.
    """
    evidence: dict[str, dict[str, Any]] = {}
    for preset, data in {run.preset: run.data for run in kept}.items():
        recorded = read_json(results / preset / "tables/environment.json").get("data_content")
        folder = prepare_data(data, data_root)
        if (found := load_data(folder).content) != recorded:
            raise AsgdError(f"{folder}: these are not the images of the runs of {preset}; nothing is accepted")
        evidence.setdefault(reader_family(data.source), {})[preset] = found
    return evidence


def _find_renamed(kept: Sequence[Kept]) -> list[Kept]:
    """Those of ``kept`` that the sources, by what accepted.json says of them, name otherwise."""
    fingerprints = {data: source_fingerprint(data) for data in {run.data for run in kept}}
    return [run for run in kept if identify_run(run.config, fingerprints[run.data]).name != run.name]


def _families_of(kept: Iterable[Kept]) -> Iterator[str]:
    for run in kept:
        yield from (run_family(run.config), reader_family(run.data.source))


def _own(closure: str) -> dict[str, Any]:
    """The entry of a family whose runs are named by the present sources."""
    return {"name": closure, "closure": closure, "evidence": {}}


def _collect_evidence(
    found: Iterable[Compared], rounding: Sequence[str], earlier: str | None, report: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """The evidence for each engine. Raises AsgdError naming a run that differs."""
    evidence: dict[str, dict[str, Any]] = {}
    wrong = []
    for compared in found:
        run = compared.run
        report(f"  {run.name} ({run.preset}, {run.outcome}): {_describe(compared)}")
        if compared.differing:
            wrong.append(run.name)
        about = {"rounding": list(rounding), "earlier": earlier, "versions": compared.versions}
        entry = evidence.setdefault(run_family(run.config), about)
        place = entry.setdefault("runs" if compared.against == "table" else "runs_by_earlier", {})
        place.setdefault(run.preset, {})[run.name] = compared.digest
    if wrong:
        raise AsgdError(f"{len(wrong)} runs have other numbers now ({wrong[0]} first); nothing is accepted")
    return evidence


def _describe(compared: Compared) -> str:
    if not compared.differing:
        return "equal" if compared.against == "table" else "other than the table, equal by the earlier sources here"
    return "differs, " + ", ".join(f"{name} by {size:.2g}" for name, size in compared.differing.items())


def _write(entries: Mapping[str, Any], kept: Sequence[Kept]) -> None:
    """Write accepted.json, unless runs would have other names even so."""
    path = Path(str(files("asgd") / ACCEPTED))
    before = path.read_text(encoding="utf-8")
    write_json(path, dict(sorted(entries.items())))
    forget_sources()
    if wrong := _find_renamed(kept):
        write_text(path, before)
        forget_sources()
        about = f"{len(wrong)} runs have other names even so, {wrong[0].name} first"
        raise AsgdError(f"{about}: settings changed, not accepted")
