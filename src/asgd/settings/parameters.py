"""What is said of run parameters: their names in labels, their units, and how their values are written."""

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any

from asgd.errors import AsgdError
from asgd.settings.keys import Keys
from asgd.settings.rooms import ROOMS
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys
from asgd.settings.validation import validate

if TYPE_CHECKING:
    import pandas as pd


def list_parameters() -> list[str]:
    """The run parameters that tell arms apart, in the order in which a label names them: all but the seed."""
    return [name for name in RunConfig.model_fields if name != "seed"]


def describe_parameters() -> dict[str, str]:
    """What each run parameter means, by name."""
    return {name: field.description or "" for name, field in RunConfig.model_fields.items()}


def takes(key: str, **others: Any) -> Callable[[Any], Any]:
    """A check for pydantic: that the run parameter ``key`` takes a value, or each of several, beside ``others``."""

    def check(value: Any) -> Any:
        for one in value if isinstance(value, (list, tuple)) else [] if value is None else [value]:
            try:
                validate(RunConfig, {key: one, **others}, "as a run's parameter")
            except AsgdError as error:
                raise ValueError(str(error)) from None
        return value

    return check


def kinds_of(parameter: str) -> list[str]:
    """The parameters that say the kind of ``parameter``, in order: of momentum, who keeps it and its convention."""
    return [name for name in RunConfig.model_fields if _about(name)["kind_of"] == parameter]


def whole_of(parameter: str) -> str:
    """The parameter of which ``parameter`` says the kind; itself if it says none."""
    return str(_about(parameter)["kind_of"]) or parameter


def keys_of(room: str) -> set[str]:
    """The parameters declared beside ``room``, whose value names a member; ``room`` alone if it is another."""
    bases = [
        base for base in RunConfig.__bases__ if issubclass(base, Keys) and room in ROOMS.keys() & base.model_fields
    ]
    return {room, *(key for base in bases for key in base.model_fields)}


def order_values(key: str, values: "pd.Series[Any]") -> "pd.Series[Any]":
    """What a column of a run parameter is sorted by: the order of its words, if each of its values has one."""
    if values.dtype.kind == "O":  # `full` among numbers, as text
        numbers = values.map(_as_number)
        if (numbers < math.inf).any():
            return numbers
    ranks = {word: rank for rank, word in enumerate(_about(key)["words"])}
    found = values.map(lambda value: ranks.get(_write(value), -1))
    return values if (found < 0).any() else found


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.inf


def label_settings(settings: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Name an arm by the values of ``keys``, e.g. ``m = 10, server PyTorch``; empty without keys."""
    parts = []
    for key in keys:
        if not _matters(key, settings):
            continue
        whole = _about(key)["kind_of"]
        named = [key] if not whole else kinds_of(whole) if settings[whole] else [whole]
        parts.append(" ".join(_label(name, settings[name]) for name in named))
    return ", ".join(dict.fromkeys(parts))


def label_schedule(settings: Mapping[str, Any]) -> str:
    """Name a schedule by what makes it another one, e.g. ``gamma, cv = 0.5``: times by their distribution."""
    latency = settings["schedule"] == "latency"
    told = ("latency", "latency_cv", "latency_shape") if latency else ("schedule",)
    further = (key for key, field in ScheduleKeys.model_fields.items() if settings[key] != field.default)
    return label_settings(settings, [*told, *(key for key in further if key not in (*told, "schedule"))])


def _matters(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether a label names ``key``: it does not where other settings leave it without effect."""
    about = _about(key)
    needed: Mapping[str, Any] = about.get("only_with", {})
    return bool(about["in_labels"]) and all(
        settings.get(other, RunConfig.model_fields[other].default) == value for other, value in needed.items()
    )


def label_symbol(key: str) -> str:
    """What a label calls the parameter."""
    return str(_about(key)["symbol"]) or key.replace("_", " ")


def _label(key: str, value: Any) -> str:
    text = _write(value)
    words: Mapping[str, str] = _about(key)["words"]
    return words.get(text, f"{label_symbol(key)} = {text}")


def _write(value: Any) -> str:
    if value is None or value != value:  # as tables have it
        return "none"
    return str(value) if isinstance(value, bool) or not isinstance(value, Number) else format(value, "g")


def _about(key: str) -> Mapping[str, Any]:
    extra = RunConfig.model_fields[key].json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError(f"RunConfig.{key} is not a parameter()")
    return extra
