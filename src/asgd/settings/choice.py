"""A key whose value names a member of a room of the simulator, or a file of the user's own."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

Members = Callable[[], Mapping[str, Any]]


def is_file(name: str) -> bool:
    """Whether ``name`` is the path of a user's own member."""
    return name.endswith(".py")


def name_choice(name: str) -> str:
    """What a member is called where only letters, digits and '_' may stand."""
    return re.sub(r"\W", "_", Path(name).stem, flags=re.ASCII) if is_file(name) else name


def check_choice(key: str, name: str, members: Members) -> str:
    """``name``, if there is such a member. Raises ValueError."""
    if not is_file(name) and name not in (known := members()):
        raise ValueError(
            f"no {key} has the name '{name}'; give one of {', '.join(known)}, or the path of a file of yours, NAME.py"
        )
    return name


def check_needs(config: BaseModel, key: str, members: Members, given: Collection[str] = ()) -> None:
    """Raise ValueError where the member that ``key`` names lacks what its declaration needs or requires.

    ``given``: keys that something else stands for.
    """
    name = getattr(config, key)
    if is_file(name):
        return
    declared = members()[name]
    for other in getattr(declared, "requires", ()):
        if getattr(config, other) is None:
            raise ValueError(f"{key} = {name} needs {other}; give it")
    for other, wanted, why in getattr(declared, "needs", ()):
        if other not in given and (found := getattr(config, other)) != wanted:
            raise ValueError(f"{key} = {name} needs {other} = {wanted}, not {found}: {why}")
