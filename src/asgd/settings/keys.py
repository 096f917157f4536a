"""How a run parameter is declared: one call says all that is said of it anywhere."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from asgd.settings.validation import StrictModel

NEVER = object()


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
    as_before: Any = NEVER,
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
    about |= {} if as_before is NEVER else {"as_before": as_before}
    return Field(default, description=description, json_schema_extra=about, **limits)


def before(field: FieldInfo) -> Any:
    """The value at which a key is left out of the hash; for a key of the first runs none is."""
    extra = field.json_schema_extra
    return extra.get("as_before", NEVER) if isinstance(extra, dict) else NEVER


class Keys(StrictModel):
    """A part of the run's keys: a base of ``RunConfig``, and of nothing else."""

    @model_validator(mode="after")
    def _refuse_without_effect(self) -> "Keys":
        for key, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            needed = extra.get("only_with") if isinstance(extra, dict) else None
            value = getattr(self, key)
            if not isinstance(needed, dict) or value == field.default:
                continue
            for other, wanted in needed.items():
                if (found := getattr(self, other)) != wanted:
                    raise ValueError(f"{key} = {value} has no effect with {other} = {found}; leave it out")
        return self
