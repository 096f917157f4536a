"""Members of a room: each is a module or a package with one declaration.

They are found by being there, and read without being imported.

A declaration is an assignment at the top level whose value calls the room's own dataclass with plain values, as in
``FIGURE = Figure(caption="...", tables=("arms",))``. Adding a file adds a member, and no list names it. Importing a
member may take a second for its libraries, and Snakemake asks for all of them at every start.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from asgd.closure import SOURCES
from asgd.errors import AsgdError

Kind = TypeVar("Kind")


@cache
def find_members(room: str, kind: type[Kind], *parts: type) -> dict[str, Kind]:
    """The declarations of ``kind`` in the modules of ``room`` (as in ``asgd.figures``), by module, in order of name.

    That of a package stands in its ``__init__``. A module without one is no member. ``parts`` are further dataclasses
    that a declaration may call. Raises AsgdError for a declaration that takes more than plain values.
    """
    vocabulary = {part.__name__: part for part in (kind, *parts)}
    folder = SOURCES.joinpath(*room.split("."))
    modules = {path.stem: path for path in folder.glob("*.py")}
    modules |= {path.parent.name: path for path in folder.glob("*/__init__.py")}
    return {
        name: _evaluate(call, vocabulary, path)
        for name, path in sorted(modules.items())
        for call in _declarations(path, kind.__name__)
    }


def load_member(room: str, name: str) -> ModuleType:
    """The module of a member, imported; ``name`` may be the path of a user's own. AsgdError if that cannot be."""
    return _load_file(name) if name.endswith(".py") else import_module(f"{room}.{name}")


def _load_file(path: str) -> ModuleType:
    spec = spec_from_file_location(f"asgd_member_{Path(path).stem}", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise AsgdError(f"{path}: no such file; give the path of a Python file")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # it is somebody's code
        raise AsgdError(f"{path}: cannot be imported ({type(error).__name__}: {error}); correct it") from error
    return module


def _declarations(path: Path, name: str) -> Iterator[ast.Call]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise AsgdError(f"{path}: not Python ({error}); correct it") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            called = node.value.func
            if isinstance(called, ast.Name) and called.id == name:
                yield node.value


def _evaluate(call: ast.Call, vocabulary: dict[str, type], path: Path) -> Any:
    code = compile(ast.Expression(call), str(path), "eval")
    try:
        return eval(code, {"__builtins__": {}, **vocabulary})
    except Exception as error:
        raise AsgdError(
            f"{path}, line {call.lineno}: not a declaration with plain values only ({error}); correct it"
        ) from error
