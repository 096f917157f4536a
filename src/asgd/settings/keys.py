"""How a run parameter is declared: one call says all that is said of it anywhere."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, Field, model_validator

from asgd.settings.validation import StrictModel

_NEVER = object()


def parameter(
    default: Any,
    *,
    description: str,
    symbol: str = "",
    unit: str = "",
    words: Mapping[str, str] | None = None,
    kind_of: str = "",
    in_labels: bool = True,
    only_with: Mapping[str, Any] | None = None,
    as_before: Any = _NEVER,
    **limits: Any,
) -> Any:
    """A run parameter, and all that is said of it anywhere: flags, reference, labels and tables take it from here.

    ``symbol``: what a label calls it (default: its name); ``unit``: of its values; ``words``: what a label says for a
    value, by the value as text, instead of ``symbol = value``; ``kind_of``: the parameter of which it says the kind,
    and without which (at 0) it means nothing; ``in_labels``: whether a label names it. ``only_with``: the values of
    other parameters without which it means nothing; it is refused there. ``as_before``: for a parameter added after
    runs were named, the value that means what they did; at it the parameter is left out of their hash. It is written
    out, and never taken from ``default``: if the default changed, old results would pass for new ones.
    """
    about: dict[str, Any] = {"symbol": symbol, "unit": unit, "words": dict(words or {}), "kind_of": kind_of}
    about |= {"in_labels": in_labels}
    about |= {"only_with": dict(only_with)} if only_with else {}
    about |= {} if as_before is _NEVER else {"as_before": as_before}
    return Field(default, description=description, json_schema_extra=about, **limits)


# What is asked of a class of keys for each of very many runs is looked up once: classes do not change.


@cache
def find_later(model: type[BaseModel]) -> Mapping[str, Any]:
    """The keys that came after the first runs, each with the value at which it is left out of the hash."""
    return {key: extra["as_before"] for key, extra in _list_extras(model).items() if "as_before" in extra}


@cache
def _find_conditions(model: type[BaseModel]) -> list[tuple[str, Any, Mapping[str, Any]]]:
    """The keys that mean something only with others: key, its default, and the values of the others."""
    extras = _list_extras(model).items()
    return [(key, model.model_fields[key].default, extra["only_with"]) for key, extra in extras if "only_with" in extra]


def _list_extras(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """What ``parameter`` was told of each key beside its type and description."""
    extras = {key: field.json_schema_extra for key, field in model.model_fields.items()}
    return {key: extra for key, extra in extras.items() if isinstance(extra, dict)}


class Keys(StrictModel):
    """A part of the run's keys: a base of ``RunConfig``, and of nothing else."""

    @model_validator(mode="after")
    def _refuse_without_effect(self) -> "Keys":
        for key, default, needed in _find_conditions(type(self)):
            value = getattr(self, key)
            if value == default:
                continue
            for other, wanted in needed.items():
                if (found := getattr(self, other)) != wanted:
                    raise ValueError(f"{key} = {value} has no effect with {other} = {found}; leave it out")
        return self
