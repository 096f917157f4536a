"""Flags that commands share, and the types of what is given with them."""

import argparse
import inspect
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, PlainValidator
from pydantic.fields import FieldInfo

from asgd.settings.data import DataConfig
from asgd.settings.folders import DATA_ROOT
from asgd.settings.run import RunConfig
from asgd.settings.study import check_name

_METAVARS = {int: "N", float: "NUMBER"}


def add_params_flag(parser: argparse.ArgumentParser) -> None:
    """--params FILE."""
    parser.add_argument(
        "--params",
        type=path,
        default=Path("params.yaml"),
        metavar="FILE",
        help="read the configuration from FILE (default: %(default)s)",
    )


def add_preset_flags(parser: argparse.ArgumentParser, help_text: str, default: str | None = None) -> None:
    """--preset NAME, and --params FILE, where it stands."""
    parser.add_argument("--preset", type=preset, default=default, metavar="NAME", help=help_text)
    add_params_flag(parser)


def add_results_flag(parser: argparse.ArgumentParser) -> None:
    """--results DIR."""
    parser.add_argument(
        "--results",
        type=path,
        default=Path("results"),
        metavar="DIR",
        help="folder of the results (default: %(default)s)",
    )


def add_data_root_flag(parser: Any) -> None:
    """--data-root DIR."""
    help_text = "folder of the prepared images (default: %(default)s)"
    parser.add_argument("--data-root", type=path, default=DATA_ROOT, metavar="DIR", help=help_text)


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every key of `data`, and --data-root."""
    group = parser.add_argument_group("images (`data` in params.yaml)")
    add_model_flags(group, DataConfig, prefix="data-")
    add_data_root_flag(group)


def add_run_flags(parser: argparse.ArgumentParser, about: str = "keys of `run` in params.yaml") -> None:
    """A flag for every key of a run, in a group for each class of keys, with the class's docstring as its title.

    ``about`` stands in the title of the first group.
    """
    for keys in reversed(RunConfig.__mro__):
        names = [name for name in inspect.get_annotations(keys) if name in RunConfig.model_fields]
        if names:
            title = (inspect.getdoc(keys) or "").rstrip(".").lower()
            add_model_flags(parser.add_argument_group(f"{title} ({about})" if about else title), RunConfig, names=names)
            about = ""


def add_model_flags(group: Any, model: type[BaseModel], prefix: str = "", names: Iterable[str] = ()) -> None:
    """A flag for every field of ``model``, or for ``names``: ``num_workers`` becomes ``--num-workers``."""
    for name in names or model.model_fields:
        field = model.model_fields[name]
        flag = f"--{prefix}{name.replace('_', '-')}"
        default = "" if field.default in (None, {}) else f" (default: {_say(field.default)})"
        help_text = f"{field.description}{default}".replace("%", "%%")
        group.add_argument(flag, dest=f"{prefix}{name}", default=argparse.SUPPRESS, help=help_text, **_flag_type(field))


def collect(options: argparse.Namespace, model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """What was given with the flags of ``model``, by key."""
    values = vars(options)
    return {name: values[prefix + name] for name in model.model_fields if prefix + name in values}


def _say(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _flag_type(field: FieldInfo) -> dict[str, Any]:
    if {int, Literal["full"]} <= {*get_args(field.annotation)}:
        return {"type": _number_or_word, "metavar": "N|full"}
    if any(isinstance(part, PlainValidator) for part in field.metadata):  # a whole number, or a fraction
        return {"type": float, "metavar": "NUMBER"}
    types = [t for t in get_args(field.annotation) or (field.annotation,) if t is not type(None)]
    if get_origin(field.annotation) is Literal:
        return {"choices": types, "type": type(types[0]), "metavar": "|".join(map(str, types))}
    if types[0] is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": types[0], "metavar": _METAVARS.get(types[0], "TEXT")}


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
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give a number of at least 0")
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
