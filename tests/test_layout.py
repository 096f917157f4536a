"""The rooms of the package: a room imports only from rooms below it, and no two import each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src/asgd"

#: From the ground up. Figures and report stand below the study, because `asgd verify` makes both again.
ROOMS = (
    *("settings", "simulator", "data", "runs", "tables", "claims", "analyses", "figures", "report", "study"),
    "commands",
)
_LONGEST = 450  # lines; the kernels' text is the longest


def find_imports() -> Iterator[tuple[Path, str]]:
    """Every import of the package by itself: the file, and the room (or the module on the ground) that it imports."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((path, name.split(".")[1]) for name in names if name.startswith("asgd."))


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCES).parts[0]
    return first.removesuffix(".py")


def test_the_rooms_are_these() -> None:
    assert {path.name for path in SOURCES.iterdir() if (path / "__init__.py").exists()} == set(ROOMS)


def test_imports_point_down() -> None:
    height = {room: level for level, room in enumerate(ROOMS)}
    entrance = ("__init__", "__main__")
    upward = [
        f"{path.relative_to(SOURCES)} imports {target}"
        for path, target in find_imports()
        if room_of(path) not in entrance and height.get(target, -1) > height.get(room_of(path), -1)
    ]
    assert upward == []


def test_no_module_is_very_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > _LONGEST} == {}
