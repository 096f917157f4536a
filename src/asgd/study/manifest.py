"""The manifest of a study: all that decides what is made from its runs, written, read and compared."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from asgd.errors import AsgdError
from asgd.files import read_json, write_json
from asgd.study.plan import Study


def write_manifest(study: Study, path: Path) -> None:
    """Write the manifest to ``path`` if it differs from the file there."""
    manifest = json.loads(json.dumps(study.manifest()))
    if not path.exists() or read_json(path) != manifest:
        write_json(path, manifest)


def check_shipped(study: Study, made_from: Path) -> None:
    """Raise AsgdError, saying what changed, unless the tables whose manifest is ``made_from`` are of ``study``."""
    if not made_from.exists():
        raise AsgdError(f"{made_from}: missing, so this preset has no shipped tables; train without shipped=True")
    if changes := compare_tables(read_json(made_from), study):
        raise AsgdError(
            f"{made_from}: the shipped tables belong to another study: {name_some(changes, 1)}; "
            "undo this change, or train without shipped=True"
        )


def compare_tables(recorded: Mapping[str, Any], study: Study) -> list[str]:
    """How the tables with the manifest ``recorded`` differ from those of ``study``, a phrase for each key.

    Not by the runs that analyses trained: which they are is known only when these are trained.
    """
    return compare_manifests({key: part for key, part in recorded.items() if key != "trained"}, study.table_manifest())


def compare_manifests(recorded: Mapping[str, Any], planned: Mapping[str, Any]) -> list[str]:
    """How two manifests differ, a phrase for each key."""
    old, new = _flatten(recorded), _flatten(planned)
    changed = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [_describe_change(key, old.get(key), new.get(key)) for key in changed]


def name_some(names: Iterable[str], most: int = 3) -> str:
    """The first of ``names``, and how many more there are."""
    listed = list(names)
    more = [f"and {len(listed) - most:,} more"] if len(listed) > most else []
    return ", ".join([*listed[:most], *more])


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """A manifest's values by dotted key, as JSON has them."""
    if not isinstance(value, Mapping):
        return {prefix: json.loads(json.dumps(value))}
    parts = [_flatten(part, f"{prefix}.{key}" if prefix else str(key)) for key, part in value.items()]
    return {key: part for flat in parts for key, part in flat.items()}


def _drop(names: Iterable[str], others: Collection[str]) -> list[str]:
    return [name for name in names if name not in others]


def _describe_change(key: str, recorded: Any, planned: Any) -> str:
    if not key.startswith("experiments."):
        return f"{key} was {recorded!r} and is {planned!r} now"
    old, new = list(recorded or []), list(planned or [])
    gone, added = _drop(old, set(new)), _drop(new, set(old))
    if gone and [run.rpartition("-")[0] for run in gone] == [run.rpartition("-")[0] for run in added]:
        return f"{key}: {len(gone)} runs by other sources, data or settings ({name_some(gone)})"
    parts = [f"{len(gone)} runs fewer ({name_some(gone)})"] if gone else []
    parts += [f"{len(added)} runs more ({name_some(added)})"] if added else []
    return f"{key}: {' and '.join(parts) or 'the runs stand in another order'}"
