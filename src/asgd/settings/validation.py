"""What all settings share: keys that are unknown refused, and faults of one line that name key and value."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from asgd.errors import AsgdError

ModelType = TypeVar("ModelType", bound=BaseModel)


class StrictModel(BaseModel):
    """Base of all configuration models: frozen, unknown keys refused, numbers never taken from strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_other_kinds(cls, values: Any) -> Any:
        # Pydantic takes true for 1, 1 for true and "0.5" for 0.5: each is a slip that a run should not hide. YAML 1.1
        # reads 1e-3 as text; to accept it here and not elsewhere would hide the difference.
        for key, value in values.items() if isinstance(values, Mapping) else ():
            kinds = _kinds_of(cls, key)
            if type(value) in kinds:
                continue
            for part in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(part, str) and kinds & {int, float} and str not in kinds and _is_number(part):
                    raise ValueError(f"{key} is the text '{part}'; write it as a plain number, {_as_yaml(part)}")
                if isinstance(part, bool) and kinds & {int, float} and bool not in kinds:
                    raise ValueError(f"{key} is {str(part).lower()}; write a number")
                if type(part) in (int, float, str) and kinds == {bool}:
                    raise ValueError(f"{key} is {part!r}; write true or false")
        return values


@cache
def _kinds_of(model: type[BaseModel], key: str) -> frozenset[type]:
    return _kinds(model.model_fields[key].annotation) if key in model.model_fields else frozenset()


def _kinds(annotation: Any) -> frozenset[type]:
    """The plain types in ``annotation``, those of a list's values too; nothing where it says nothing of them."""
    if get_origin(annotation) is Literal:
        return frozenset(type(value) for value in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) is dict or annotation is Any:
        return frozenset()
    if parts := get_args(annotation):
        return frozenset().union(*map(_kinds, parts)) - {type(None)}
    return frozenset({annotation}) if isinstance(annotation, type) else frozenset()


def _refuse_repetition(values: list[Any] | None) -> list[Any] | None:
    if values and _has_repetition(values):
        raise ValueError(f"a value is given twice in {_shorten(values)}; keep one")
    return values


def _refuse_descent(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    if pair[0] >= pair[1]:
        raise ValueError(f"{list(pair)}: the first must be smaller than the second")
    return pair


def _has_repetition(values: Sequence[Any]) -> bool:
    return len(values) != len({json.dumps(_plain(value), sort_keys=True) for value in values})


def _plain(value: Any) -> Any:
    """``value`` with 1 and 1.0 alike."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def validate(model: type[ModelType], values: Any, where: str) -> ModelType:
    """Build ``model`` from ``values``; the first fault becomes an AsgdError of one line that names key and value."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(_shorten(str(part)).strip("'") for part in fault["loc"])
        raise AsgdError(f"{where}: {_describe(fault, key, model)}") from None


def _describe(fault: Any, key: str, model: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        allowed = ", ".join(_model_at(model, fault["loc"][:-1]).model_fields)
        return f"unknown key '{key}'; keys allowed here are {allowed}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("value_error", "missing"):
        return f"{key}: {message}" if key else message
    return f"{key} = {_shorten(fault['input'])}: {message}"


def _shorten(value: Any) -> str:
    """``value`` as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _model_at(model: type[BaseModel], location: Sequence[Any]) -> type[BaseModel]:
    """The model that a fault's location lies in, through dictionaries of models."""
    found = model
    for part in location:
        annotation = found.model_fields[part].annotation if part in found.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), found)
    return found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _as_yaml(text: str) -> str:
    """The number that ``text`` says, such that YAML 1.1 reads a number: an exponent needs a point before it."""
    if text.strip().isdecimal():
        return text.strip()
    mantissa, exponent, power = repr(float(text)).partition("e")
    return f"{mantissa}.0{exponent}{power}" if exponent and "." not in mantissa else f"{mantissa}{exponent}{power}"
