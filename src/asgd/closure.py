"""The sources that decide a result: the modules that it imports, directly or not, found by reading them.

Imports inside functions count; those under ``if TYPE_CHECKING`` do not, since they never run. A package's
``__init__.py`` that only hands names on is looked through: importing one name from it brings in the module that defines
this name, and no other. One that does more counts, with all that it imports.
"""

import ast
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from asgd.errors import AsgdError

#: The folder that the package lies in.
SOURCES = Path(__file__).parents[1]

#: A string (the group: it may contain a "#") or a comment.
_STRING_OR_COMMENT = re.compile(
    r"""(\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\#[^\n]*""",
    re.DOTALL,
)


def find_closure(
    roots: Iterable[str | Path],
    within: Collection[str] = (),
    outside: Collection[str] = (),
    sources: Path = SOURCES,
    members: bool = False,
) -> dict[str, Path]:
    """The modules of the package in ``sources`` that ``roots`` import, directly or not, themselves included, by name.

    A root is a module's name or the path of a script. Modules in ``outside``, and those not ``within`` (names; a
    package stands for all that it holds; none: all modules), are left out, with what only they import. With ``members``
    the members of a registry (``asgd.members``) count as imported where its room is named: ``find_members("room", _)``.
    Raises AsgdError for a root or an import that does not exist.
    """
    found: dict[str, Path] = {}
    waiting = []
    for root in roots:
        if isinstance(root, Path):
            found[root.name] = root
            waiting += _imported(_parse(root), "", sources)
            waiting += _list_members(_parse(root), sources) if members else []
        else:
            waiting.append(root)
    while waiting:
        name = waiting.pop()
        if name in found or _belongs(name, outside) or (within and not _belongs(name, within)):
            continue
        path = _locate(name, sources)
        if path is None:
            raise AsgdError(f"{name}: no such module in {sources}; the sources are incomplete")
        found[name] = path
        waiting += _imported(_parse(path), _package_of(name, path), sources)
        waiting += _list_members(_parse(path), sources) if members else []
    return dict(sorted(found.items()))


@cache
def _list_members(tree: ast.Module, sources: Path) -> list[str]:
    """The modules of the rooms in which a module finds members."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    named = (call.args[0] for call in calls if getattr(call.func, "id", "") in ("find_members", "load_member"))
    rooms = (str(node.value) for node in named if isinstance(node, ast.Constant))
    files = ((room, path) for room in rooms for path in sources.joinpath(*room.split(".")).glob("*.py"))
    return sorted(room if path.stem == "__init__" else f"{room}.{path.stem}" for room, path in files)


def _belongs(name: str, modules: Collection[str]) -> bool:
    """Whether a module is one of ``modules`` or lies in one."""
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def hash_sources(modules: Mapping[str, Path]) -> str:
    """SHA-256 (hex) over the code of modules, by name; comments and docstrings do not count."""
    digest = hashlib.sha256()
    for name, path in sorted(modules.items()):
        digest.update(f"{name}\0{strip_comments(_read(path))}\0".encode())
    return digest.hexdigest()


@cache
def strip_comments(source: str) -> str:
    """Python code without comments, docstrings, blank lines and trailing space; the same for every Python version."""
    # The tokenizer of the standard library would do too, but takes 0.1 s of each job's start.
    lines = _STRING_OR_COMMENT.sub(lambda match: match[1] or "", source).splitlines()
    for node in _docstrings(_parse_text(source)):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        # Other code may stand on the same lines; columns are counted in bytes.
        before, after = lines[first].encode()[: node.col_offset], lines[last].encode()[node.end_col_offset :]
        lines[first : last + 1] = [(before + after).decode(), *[""] * (last - first)]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _docstrings(node: ast.AST) -> Iterator[ast.stmt]:
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    first = node.body[0] if node.body else None
    if first is not None and _is_text(first):
        yield first
    for child in node.body:
        yield from _docstrings(child)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AsgdError(f"{path}: cannot be read ({error}); the sources are incomplete") from error


def _parse(path: Path) -> ast.Module:
    try:
        return _parse_text(_read(path))
    except (SyntaxError, ValueError) as error:
        raise AsgdError(f"{path}: not Python ({error}); correct it") from error


@cache  # by contents: several closures share modules
def _parse_text(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def _list_imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    return list(_run_imports(tree))


def _locate(name: str, sources: Path) -> Path | None:
    """The file of a module, or of a package's ``__init__``."""
    base = sources.joinpath(*name.split("."))
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _package_of(name: str, path: Path) -> str:
    """The package that relative imports in a module start from."""
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


@cache
def _imported(tree: ast.Module, package: str, sources: Path) -> list[str]:
    """The modules that a module's imports bring in, of the package in ``sources`` alone."""
    return [name for node in _list_imports(tree) for name in _modules_of(node, package, sources)]


def _run_imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All import statements that can run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from _run_imports(ast.Module([other], []))
        else:
            yield from _run_imports(child)


def _modules_of(node: ast.Import | ast.ImportFrom, package: str, sources: Path) -> list[str]:
    if isinstance(node, ast.Import):
        names = [(alias.name, "*") for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [base])])
        names = [(base, alias.name) for alias in node.names]
    own = [(module, name) for module, name in names if _is_own(module, sources)]
    found = [part for module, name in own for part in _resolve(module, name, sources)]
    return found + [part for module, _ in own for part in _busy_packages(module, sources)]


def _is_own(module: str, sources: Path) -> bool:
    top = module.partition(".")[0]
    return bool(top) and _locate(top, sources) is not None


def _busy_packages(module: str, sources: Path) -> list[str]:
    """The packages above a module whose ``__init__`` does more than hand on names: it runs, too."""
    parts = module.split(".")
    above = [".".join(parts[:count]) for count in range(1, len(parts))]
    return [name for name in above if (path := _locate(name, sources)) and not _hands_on(_parse(path))]


def _resolve(module: str, name: str, sources: Path) -> list[str]:
    """The modules that ``from module import name`` brings in; ``*`` is all that there is."""
    if name != "*" and _locate(f"{module}.{name}", sources):
        return _resolve(f"{module}.{name}", "*", sources)
    path = _locate(module, sources)
    if path is None or path.name != "__init__.py" or not _hands_on(tree := _parse(path)):
        return [module]
    if name == "*":
        return _imported(tree, module, sources)
    for node in _list_imports(tree):
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return _modules_of(_only(node, alias), module, sources)
    return [module]  # a name such as __version__, or one that is not there: then all that the package holds


def _only(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.Import | ast.ImportFrom:
    """An import statement of one of its names alone."""
    if isinstance(node, ast.Import):
        return ast.Import([alias])
    return ast.ImportFrom(node.module, [alias], node.level)


def _hands_on(tree: ast.Module) -> bool:
    """Whether an ``__init__`` has nothing but imports, text and names such as ``__all__``."""
    return all(
        isinstance(node, (ast.Import, ast.ImportFrom)) or _is_text(node) or _is_dunder(node) for node in tree.body
    )


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_dunder(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return bool(targets) and all(isinstance(target, ast.Name) and target.id.startswith("__") for target in targets)
