"""The generated pages of docs/, and reference.md: every parameter, command, file and column, from its definition."""

import argparse
import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from asgd.analyses.analysis import analysis_tables
from asgd.commands.claims_page import make_claims_page
from asgd.commands.gallery import make_gallery
from asgd.commands.parser import build_parser
from asgd.figures.plot import list_plots
from asgd.settings.network import list_networks
from asgd.settings.order import Order
from asgd.settings.policy import list_policies
from asgd.settings.probes import list_probes
from asgd.settings.run import RunConfig
from asgd.settings.schedule import list_schedules
from asgd.settings.study import Params
from asgd.settings.update import list_updates
from asgd.settings.workflow import WorkflowOptions
from asgd.simulator.workers.recording import COLUMNS as SCHEDULE_COLUMNS
from asgd.tables.columns import AGGREGATED
from asgd.tables.outcomes import MEANINGS

_HEAD = """# Reference

Written by `make reference` from the typed configuration, the commands and the definitions of the tables.
"""
#: Those that stand in no field of another.
_MODELS: dict[str, type[BaseModel]] = {
    "presets.NAME.run, and flags of `asgd train`": RunConfig,
    "a line of `asgd train --each`": Order,
}
_OUTCOMES = ("outcome", "meaning")
_TARGETS = {
    "all": "everything (default)",
    "data": "the images, prepared",
    "runs": "the runs",
    "tables": "tables, verdicts, and the generated parts of the report",
    "figures": "the figures",
}
_FILES = {
    "data/<source>-<hash>/": "prepared images: arrays that all jobs map, and meta.json",
    "results/runs/<run>/metrics.csv": "a run's curve, a row for each evaluation",
    "results/runs/<run>/probes.csv": "for a run with probes: a row for each step that it was probed at",
    "results/runs/<run>/schedule.csv": "for a run with real workers: what became of each gradient, in order",
    "results/runs/<run>/run.json": "its configuration, data, sources, versions, hardware, outcome and duration",
    "results/batches/<batch>.parquet": "with `runs_per_batch`: many runs, a row for each with the texts of its files",
    "results/batches.json": "which runs are in which batch; made again where it is missing",
    "results/kept/": "links to the files of finished runs and batches, for when DVC deletes these",
    "results/checkpoints/<run>.npz": "the last state of a run that is not finished",
    "results/<preset>/study.json": "the study: all that decides what is made from the runs",
    "results/<preset>/tables/": "the tables below, what they were made from, and generated parts of the report",
    "results/<preset>/claims.json, claims.html": "the verdicts, for programs and for people",
    "results/<preset>/metrics.json": "a handful of numbers, for `dvc metrics`",
    "results/<preset>/figures/": "every figure as PDF and PNG",
    "results/<preset>/report.pdf": "the report",
    "results/<preset>/explorer.html": "a page to look at every run's curve and all verdicts with; it needs no network",
    "results/<preset>/.made/": "for each job the contents that it read and wrote: by these it is up to date or not",
    "results/<preset>/checksums.json": "SHA-256 of all of these, of Parquet that of the table in it, for `asgd verify`",
    "logs/": "a log for each job; logs/runs/ for each run",
}


def make_pages() -> dict[Path, str]:
    """All generated pages, by their path in the project's folder, which must be the working folder."""
    return {
        Path("docs/reference.md"): make_reference(),
        Path("docs/claims.md"): make_claims_page(),
        Path("docs/gallery.md"): make_gallery(),
    }


def make_reference() -> str:
    """The reference, as Markdown."""
    parts = [_HEAD, "## Parameters\n"]
    for name, model in [*_find_models(Params), *_MODELS.items()]:
        fields = _make_table(("key", "value", "meaning"), _list_fields(model))
        text = (inspect.getdoc(model) or "").rstrip(".")
        parts.append(f"### {name}\n\n{text[:1].upper()}{text[1:]}.\n\n{fields}")
    parts += ["## Commands\n", *_describe_commands()]
    options = _make_table(("key", "value", "meaning"), _list_fields(WorkflowOptions))
    parts.append(f"### snakemake --config\n\n{options}")
    parts.append(f"### snakemake -- TARGET\n\n{_make_table(('target', 'makes'), _quote(_TARGETS))}")
    parts.append(f"## Files\n\n{_make_table(('file', 'holds'), _quote(_FILES))}")
    parts.append("## Claims and rules\n\n[Which claim, which rule](claims.md).\n")
    parts += list(_describe_members())
    parts.append(f"## Outcomes\n\nOf a run, the first that fits.\n\n{_make_table(_OUTCOMES, _quote(MEANINGS))}")
    plots = [(f"`{name}`", plot.caption, ", ".join(plot.tables)) for name, plot in list_plots().items()]
    parts.append(f"## Figures\n\n{_make_table(('figure', 'shows', 'reads'), plots)}")
    parts.append("## Columns of the tables\n")
    recorded = _make_table(("column", "meaning"), _quote(SCHEDULE_COLUMNS))
    parts.append(f"### schedule.csv of a run\n\nRows: one for each gradient of real workers.\n\n{recorded}")
    for name, table in (AGGREGATED | analysis_tables()).items():
        columns = _make_table(("column", "meaning"), _quote(table.columns))
        also = f" `{name}.parquet` where the preset has `tables: parquet`." if table.grows else ""
        parts.append(f"### {name}.csv\n\nRows: {table.rows}.{also}\n\n{columns}")
        if table.later:
            parts.append(f"{table.where}\n\n{_make_table(('column', 'meaning'), _quote(table.later))}")
    return "\n".join(parts)


def _find_models(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The models of params.yaml, each with the path of its keys, where NAME is any name."""
    yield path or "params.yaml", model
    for name, field in model.model_fields.items():
        parts = get_args(field.annotation) or (field.annotation,)
        inner = f"{path}.{name}".lstrip(".") + (".NAME" if get_origin(field.annotation) is dict else "")
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _find_models(part, inner)


def _describe_members() -> Iterator[str]:
    """What the keys that name a member can name."""
    yield "## Schedules\n\nThe key `schedule`.\n"
    yield _make_table(("schedule", "heard next"), _quote({name: one.heard for name, one in list_schedules().items()}))
    yield "## Policies\n\nThe key `policy`.\n"
    policies = [(f"`{name}`", one.steps, one.source) for name, one in list_policies().items()]
    yield _make_table(("policy", "which gradients become steps", "source"), policies)
    about = "g: the gradient, taken at the weights U that the worker was sent; W: the server's; tau: the staleness"
    yield f"## Updates\n\nThe key `update`; {about}.\n"
    updates = [(f"`{name}`", one.step, one.source) for name, one in list_updates().items()]
    yield _make_table(("update", "step", "source"), updates)
    yield "## Networks\n\nThe key `network`.\n"
    networks = [(f"`{name}`", one.layers, one.source) for name, one in list_networks().items()]
    yield _make_table(("network", "layers", "source"), networks)
    yield "## Probes\n\nThe key `probes`; their numbers are columns of probes.csv.\n"
    probes = [
        (f"`{name}`", one.measures, "; ".join(f"`{column}`: {text}" for column, text in one.columns.items()))
        for name, one in list_probes().items()
    ]
    yield _make_table(("probe", "measures", "columns"), probes)


def _list_fields(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        yield f"`{name}`", _describe_type(field), field.description or ""


def _describe_type(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    plain = default not in (None, "", PydanticUndefined) and not isinstance(default, (BaseModel, dict))
    about = field.json_schema_extra
    unit = f", {about['unit']}" if isinstance(about, dict) and about.get("unit") else ""
    return _name_type(field.annotation) + unit + (f"; default `{_write(default)}`" if plain else "")


def _write(default: Any) -> Any:
    """A default as YAML has it: tuples are lists there."""
    return [_write(part) for part in default] if isinstance(default, (list, tuple)) else default


def _name_type(annotation: Any) -> str:
    """``int``, ``cifar10 or synthetic``, ``list of int``; the name of a model is left out."""
    if get_origin(annotation) is Annotated:
        return _name_type(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if isinstance(annotation, type) and not get_args(annotation):
        return (
            "keys"
            if issubclass(annotation, BaseModel)
            else {"str": "text"}.get(annotation.__name__, annotation.__name__)
        )
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not type(None)]
    if origin is dict:
        return "keys"
    if origin in (list, tuple):
        return f"list of {_name_type(inner[0])}"
    return " or ".join(_name_type(one) for one in inner)


def _describe_commands() -> Iterator[str]:
    parser = build_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        flags = [action for action in command._actions if action.dest != "help"]
        rows = [(f"`{_name_flag(action)}`", _expand(action)) for action in flags]
        table = _make_table(("flag", "meaning"), rows) if rows else ""
        yield f"### asgd {name}\n\n{command.description}\n\n{table}"


def _name_flag(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings) or action.dest
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    return f"{names} {value}".strip() if action.option_strings and action.nargs != 0 else names


def _expand(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")


def _quote(entries: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", text) for name, text in entries.items()]


def _make_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(map(_escape, line))} |\n" for line in lines)


def _escape(cell: str) -> str:
    """``cell`` as Markdown shows it: no column and no HTML begins in it."""
    escaped = cell.replace("|", "\\|")
    return escaped if escaped.startswith("`") else escaped.replace("<", "&lt;")
