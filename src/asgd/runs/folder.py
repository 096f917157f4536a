"""The files of one run, in a folder of their own: written whole, and checked when they are read.

``metrics.csv`` has a row for each evaluation, ``probes.csv`` one for each step that a run with probes is probed at, and
``run.json`` is about the run.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.data import Dataset
from asgd.errors import AsgdError
from asgd.files import format_json, read_json, remove_leftovers, write_bytes
from asgd.machine import describe_hardware, describe_versions
from asgd.runs.sources import fingerprint_run, identify_run
from asgd.settings.probes import describe_columns
from asgd.settings.run import PROBED, REAL, REPLAYED, Run, RunConfig
from asgd.settings.validation import validate
from asgd.simulator.events import Fate, Tally
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import classify_outcome
from asgd.simulator.simulate import FIRST_COLUMNS, METRICS_COLUMNS, EvaluationPlan, Row
from asgd.simulator.workers.recording import COLUMNS as SCHEDULE_COLUMNS

#: The tables of a run, and what run.json says of them, each with the key of its checksum there.
_CHECKSUMS = {
    "metrics.csv": "metrics_sha256",
    "probes.csv": "probes_sha256",
    "schedule.csv": "schedule_sha256",
}

#: What run.json must have for a run to count.
_NEEDED = {
    *("run", "arm", "config", "data", "sources", "engine", "outcome"),
    *("last_step", "total_steps", "steps_per_epoch", "metrics_sha256"),
}


@dataclass(frozen=True)
class Result:
    """What a training job returns: the contents of the run's files."""

    rows: Sequence[Row]  #: of metrics.csv
    record: dict[str, Any]
    probes: Sequence[Mapping[str, float]] = ()  #: the rows of probes.csv, none without probes
    schedule: str = ""  #: the text of schedule.csv, of a run with real workers


def list_files(name: str) -> tuple[str, ...]:
    """The files of the finished run ``name``, in the order in which they are written."""
    probes = ("probes.csv",) if f"{PROBED}-" in name else ()
    schedule = ("schedule.csv",) if f"{REAL}-" in name else ()
    return ("metrics.csv", *probes, *schedule, "run.json")


def describe_run(
    config: RunConfig,
    dataset: Dataset,
    backend: str,
    plan: EvaluationPlan,
    rows: Sequence[Row],
    tally: Tally,
    seconds: float,
) -> dict[str, Any]:
    """The contents of run.json: what was asked for, by what and on what it ran, and how it ended."""
    last = rows[-1]
    name, why = config.resolved_engine()
    return {
        "run": identify_run(config, dataset.fingerprint).name,
        "arm": config.arm(),
        "config": config.model_dump(),
        "data": _describe_data(dataset),
        "sources": fingerprint_run(config),
        "engine": {"name": name, "variant": backend, "why": why},
        "versions": describe_versions(),
        "hardware": describe_hardware(),
        "outcome": classify_outcome(last.test_accuracy, last.zero_gradient_share, last.is_finite, len(dataset.classes)),
        "stopped_early": last.gradients < plan.total,
        "last_step": last.step,
        "total_steps": plan.total,
        "steps_per_epoch": plan.per_epoch,
        "gradients": {fate.name.lower(): int(tally.fates[fate]) for fate in Fate if _is_told(fate, config)},
        "staleness": describe_staleness(tally.staleness),
        "wall_seconds": round(seconds, 3),
        "steps_per_second": round(last.gradients / seconds, 1),
        "final": {key: _number(getattr(last, key)) for key in ("test_accuracy", "test_loss", "train_loss")},
    }


def _is_told(fate: Fate, config: RunConfig) -> bool:
    """Whether run.json has a count of it: only real workers are lost, and what joins is no gradient."""
    return fate < Fate.LOST or (fate == Fate.LOST and config.execution != "simulated")


def _describe_data(dataset: Dataset) -> dict[str, Any]:
    about = {key: getattr(dataset, key) for key in ("source", "description", "fingerprint", "content")}
    return about if len(dataset.classes) == NUM_CLASSES else {**about, "classes": list(dataset.classes)}


def count_recorded_classes(record: Mapping[str, Any]) -> int:
    """How many classes the images of a run have: run.json names them where they are not as many as CIFAR-10's."""
    return len(record["data"].get("classes", range(NUM_CLASSES)))


def describe_staleness(counts: NDArray[np.int64]) -> dict[str, Any]:
    """Of the gradients applied, in server steps: mean, standard deviation, maximum and how many had each value.

    ``counts``: how many had staleness 0, 1, ...
    """
    values, found = np.flatnonzero(counts), counts[counts > 0]
    if not len(values):
        return {"mean": None, "std": None, "max": None, "histogram": {}}
    mean = float(values @ found / found.sum())
    return {
        "mean": mean,
        "std": math.sqrt(float((values - mean) ** 2 @ found / found.sum())),
        "max": int(values[-1]),
        "histogram": dict(zip(map(str, values.tolist()), found.tolist(), strict=True)),
    }


def format_run(result: Result) -> dict[str, bytes]:
    """The contents of a run's files by their names, run.json last, with checksums of the others."""
    texts = {"metrics.csv": format_metrics(result.rows)}
    if result.probes:
        texts["probes.csv"] = format_probes(result.probes)
    if result.schedule:
        texts["schedule.csv"] = result.schedule
    contents = {name: text.encode() for name, text in texts.items()}
    checksums = {_CHECKSUMS[name]: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return {**contents, "run.json": format_json(result.record | checksums).encode()}


def write_run(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a run to ``folder``, run.json last; each is whole or absent."""
    for name in contents:
        remove_leftovers(folder / name)  # of a job that was killed while it wrote
    for name, content in contents.items():
        write_bytes(folder / name, content)


def is_finished(folder: Path) -> bool:
    """Whether the run's files are there; a replay's only beside the recording that it replays."""
    if not all((folder / name).exists() for name in list_files(folder.name)):
        return False
    return f"{REPLAYED}-" not in folder.name or _is_of_its_recording(folder)


def _is_of_its_recording(folder: Path) -> bool:
    try:
        about = read_json(folder / "run.json")["replayed"]
        return bool(read_json(folder.parent / about["run"] / "run.json")["schedule_sha256"] == about["schedule_sha256"])
    except (AsgdError, KeyError, TypeError):
        return False


def format_metrics(rows: Sequence[Row]) -> str:
    """metrics.csv: full precision, an empty cell where there is no value."""
    return _format(METRICS_COLUMNS, map(astuple, rows))


def format_probes(rows: Sequence[Mapping[str, float]]) -> str:
    """probes.csv, as ``format_metrics`` does."""
    return _format(rows[0], (row.values() for row in rows))


def _format(columns: Iterable[str], rows: Iterable[Iterable[float]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_number(value) for value in row] for row in rows)
    return buffer.getvalue()


def _number(value: float) -> float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_run(folder: Path) -> tuple[dict[str, Any], str]:
    """The contents of run.json and the text of metrics.csv, checked as ``check_run`` does.

    Raises AsgdError naming the file that is missing, damaged or of another run.
    """
    return check_run(folder, read_files(folder, folder.name))


def read_run_anywhere(folder: Path) -> tuple[dict[str, Any], str]:
    """As ``read_run``, of a folder with any name, as after `asgd train --out`."""
    record = read_json(folder / "run.json")
    name = record.get("run") if isinstance(record, dict) else None
    if not isinstance(name, str):
        raise _fault(folder, "run.json", "incomplete")
    return check_run(folder, read_files(folder, name), name=name)


def read_files(folder: Path, run: str) -> dict[str, bytes]:
    """The contents of the files of the run ``run``, by their names. Raises AsgdError for one that cannot be read."""
    contents = {}
    for name in list_files(run):
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise _fault(folder, name, f"cannot be read ({error.strerror})") from error
    return contents


def check_run(
    folder: Path, contents: Mapping[str, bytes], advice: str = "", name: str = ""
) -> tuple[dict[str, Any], str]:
    """The record and the metrics in ``contents`` (by file name), if they are those of the run that ``folder`` names.

    The name is computed from the recorded configuration, data and sources, and the tables have the recorded checksums
    and their columns. ``name``: that of the run, where the folder's is another. Raises AsgdError naming the file at
    fault, with ``advice``.
    """
    called = name or folder.name
    try:
        record = json.loads(contents["run.json"])
    except (ValueError, RecursionError) as error:
        raise _fault(folder, "run.json", "not valid JSON", advice) from error
    if not isinstance(record, dict) or not record.keys() >= _NEEDED:
        raise _fault(folder, "run.json", "incomplete", advice)
    if record["run"] != called:
        raise _fault(folder, "run.json", f"belongs to another run, {record['run']}", advice)
    run = _identify_record(record, str(folder / "run.json"))
    if run.name != called:
        what = f"its configuration, data and sources belong to another run, {run.name}"
        raise _fault(folder, "run.json", what, advice)
    # The first runs, which all have the schedule, policy, update and network of the paper, wrote fewer.
    metrics = METRICS_COLUMNS if run.config.list_choices() or "gradients" in record else FIRST_COLUMNS
    columns = {"metrics.csv": metrics, "probes.csv": tuple(describe_columns(run.config.probes))}
    columns["schedule.csv"] = tuple(SCHEDULE_COLUMNS)
    for file in list_files(run.name)[:-1]:
        if hashlib.sha256(contents[file]).hexdigest() != record.get(_CHECKSUMS[file]):
            raise _fault(folder, file, "truncated or edited (its SHA-256 is not the one in run.json)", advice)
        header = contents[file].partition(b"\n")[0].decode(errors="replace").split(",")
        if missing := [column for column in columns[file] if column not in header]:
            raise _fault(folder, file, f"has no column {missing[0]}", advice)
    text = contents["metrics.csv"].decode(errors="replace")
    if wrong := _find_contradiction(record, run.config, text):
        raise _fault(folder, "run.json", wrong, advice)
    return record, text


def _find_contradiction(record: Mapping[str, Any], config: RunConfig, metrics: str) -> str:
    """What of a record is not what its configuration and metrics give; empty if nothing."""
    try:
        last = _read_last_row(metrics)
        per_epoch = round(last.gradients / last.epoch) if last.gradients else record["steps_per_epoch"]
        total = config.steps or round(config.epochs * per_epoch)
        num_classes = count_recorded_classes(record)
        expected = {
            "arm": config.arm(),
            "outcome": classify_outcome(last.test_accuracy, last.zero_gradient_share, last.is_finite, num_classes),
            "last_step": last.step,
            "steps_per_epoch": per_epoch,
            "total_steps": total,
            "stopped_early": last.gradients < total,
        }
        if "gradients" in record and sum(record["gradients"].values()) != last.gradients:
            return f"gradients are {sum(record['gradients'].values())}, but metrics.csv says {last.gradients}"
    except (IndexError, KeyError, StopIteration, TypeError, ValueError, ZeroDivisionError) as error:
        return f"does not fit metrics.csv ({' '.join(str(error).split())})"
    expected |= {name: record[name] for name in ("data", "versions", "hardware") if isinstance(record.get(name), dict)}
    wrong = [name for name in (*expected, "versions", "hardware") if record.get(name) != expected.get(name)]
    return f"{wrong[0]} is {record.get(wrong[0])!r}, but metrics.csv says {expected.get(wrong[0])!r}" if wrong else ""


def _read_last_row(metrics: str) -> Row:
    """The last row of metrics.csv; where it was written by the first sources each step was a gradient."""
    lines = metrics.splitlines()
    values = next(csv.DictReader([lines[0], *lines[1:][-1:]]))
    numbers = {name: float(values[name] or "nan") for name in METRICS_COLUMNS if name in values}
    return Row.of({"gradients": numbers["step"], **numbers})


def _identify_record(record: Mapping[str, Any], where: str) -> Run:
    """The run that a record's configuration, data and sources give. Raises AsgdError if they are none."""
    try:
        settings = {**record["config"], "engine": record["engine"]["name"]}
        data, sources = record["data"]["fingerprint"], record["sources"]
    except (KeyError, TypeError) as error:
        raise AsgdError(f"{where}: incomplete; delete the folder and train the run again") from error
    return Run.identify(validate(RunConfig, settings, where), str(data), str(sources))


def _fault(folder: Path, file: str, what: str, advice: str = "") -> AsgdError:
    return AsgdError(f"{folder / file}: {what}; {advice or f'delete the folder {folder.name} and train the run again'}")
