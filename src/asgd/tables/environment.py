"""What the runs ran on and what they cost, from their records."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asgd.files import read_json


def collect_environment(records: Iterable[str | Path]) -> dict[str, Any]:
    """Gather hardware, versions, data and cost from the ``run.json`` of every run; what none of them records is absent.

    Values that differ between runs are joined by " / ". ``core_hours`` counts a core for each run, as the rules do.
    """
    return describe_records([read_json(path) for path in records])


def describe_records(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What ``collect_environment`` gathers, from the contents of the files."""
    found: dict[str, Any] = {
        "cpu": _join(run.get("hardware", {}).get("cpu") for run in runs),
        "cores": _join(run.get("hardware", {}).get("cores") for run in runs),
        "system": _join(run.get("hardware", {}).get("system") for run in runs),
        "engine": _join(run.get("engine", {}).get("name") for run in runs),
        "device": _join(run.get("engine", {}).get("variant") for run in runs),
        "data_source": _join(run.get("data", {}).get("source") for run in runs),
        "data_description": _join(run.get("data", {}).get("description") for run in runs),
        "fingerprint": _join(run.get("data", {}).get("fingerprint") for run in runs),
        "data_content": _join(run.get("data", {}).get("content") for run in runs),
        **{
            name: _join(run.get("versions", {}).get(name) for run in runs)
            for name in ("python", "torch", "numpy", "numba")
        },
        "total_steps": sum(run.get("last_step", 0) for run in runs),
        "core_hours": sum(run.get("wall_seconds", 0.0) for run in runs) / 3600,
    }
    return {key: value for key, value in found.items() if value not in ("", 0)}


def _join(values: Iterable[Any]) -> str:
    return " / ".join(sorted({str(value) for value in values if value is not None}))
