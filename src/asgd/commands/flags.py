"""Flags that commands share, and the types of what is given with them."""

import argparse
import math
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, PlainValidator
from pydantic.fields import FieldInfo

from asgd.settings.data import DataConfig
from asgd.settings.folders import DATA_ROOT
from asgd.settings.study import check_name


def add_params_flag(parser: argparse.ArgumentParser) -> None:
    """--params FILE."""
    parser.add_argument("--params", type=path, default=Path("params.yaml"), metavar="FILE", help="default: %(default)s")


def add_preset_flag(parser: argparse.ArgumentParser, help_text: str, default: str | None = None) -> None:
    """--preset NAME."""
    parser.add_argument("--preset", type=preset, default=default, help=help_text)


def add_results_flag(parser: argparse.ArgumentParser) -> None:
    """--results DIR."""
    parser.add_argument("--results", type=path, default=Path("results"), metavar="DIR", help="default: %(default)s")


def add_data_root_flag(parser: Any, help_text: str = "default: %(default)s") -> None:
    """--data-root DIR."""
    parser.add_argument("--data-root", type=path, default=DATA_ROOT, metavar="DIR", help=help_text)


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every key of `data`, and --data-root."""
    group = parser.add_argument_group("data (keys of `data` in params.yaml)")
    add_model_flags(group, DataConfig, prefix="data-")
    add_data_root_flag(group, "where prepared images are kept (default: %(default)s)")


def add_model_flags(group: Any, model: type[BaseModel], prefix: str = "") -> None:
    """A flag for every field of ``model``: ``num_workers`` becomes ``--num-workers``."""
    for name, field in model.model_fields.items():
        flag = f"--{prefix}{name.replace('_', '-')}"
        default = "" if field.default is None else f" (default: {field.default})"
        help_text = f"{field.description}{default}".replace("%", "%%")
        group.add_argument(flag, dest=f"{prefix}{name}", default=argparse.SUPPRESS, help=help_text, **_flag_type(field))


def collect(options: argparse.Namespace, model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """What was given with the flags of ``model``, by key."""
    values = vars(options)
    return {name: values[prefix + name] for name in model.model_fields if prefix + name in values}


def _flag_type(field: FieldInfo) -> dict[str, Any]:
    if {int, Literal["full"]} <= {*get_args(field.annotation)}:
        return {"type": _number_or_word, "metavar": "N|full"}
    if any(isinstance(part, PlainValidator) for part in field.metadata):  # a whole number, or a fraction
        return {"type": float, "metavar": "NUMBER"}
    types = [t for t in get_args(field.annotation) or (field.annotation,) if t is not type(None)]
    if get_origin(field.annotation) is Literal:
        return {"choices": types, "type": type(types[0])}
    if types[0] is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": types[0], "metavar": types[0].__name__.upper()}


def _number_or_word(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def path(text: str) -> Path:
    """A path."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a path")
    return Path(text)


def seconds(text: str) -> float:
    """A duration of at least 0."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give one of at least 0")
    return found


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def preset(text: str) -> str:
    """The name of a preset."""
    try:
        check_name(text, "a preset")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
