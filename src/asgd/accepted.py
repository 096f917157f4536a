"""The names that sources go by: the hash of their code, or the name of earlier code that gave the same numbers.

``accepted.json`` holds the second kind; `asgd sources accept` writes it (``asgd.study.accept``).
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from asgd.closure import hash_sources
from asgd.errors import AsgdError

ACCEPTED = "accepted.json"


def name_sources(family: str, modules: Mapping[str, Path]) -> str:
    """What stands for ``modules`` (name: path), which decide the numbers of a family of runs or images, in its names.

    64 hexadecimal digits, or the name that accepted.json gives them; empty for the first readers of images.
    """
    closure = hash_sources(modules)
    entry = read_accepted().get(family)
    return str(entry["name"]) if entry and entry["closure"] == closure else closure


@cache
def read_accepted() -> Mapping[str, Any]:
    """accepted.json: for each family the ``closure`` that goes by the ``name`` of earlier sources, and the
    ``evidence`` for that. Raises AsgdError if it is damaged."""
    file = files("asgd") / ACCEPTED
    try:
        accepted: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if any({"name", "closure", "evidence"} - entry.keys() for entry in accepted.values()):
            raise ValueError("an entry lacks a key")
    except (OSError, ValueError, AttributeError) as error:
        raise AsgdError(
            f"{file}: cannot be read as a list of accepted sources ({error}); restore it from git"
        ) from error
    return accepted
