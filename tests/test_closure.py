"""The import closure of a module, and the hash of its code: what is in it and what is not."""

import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import asgd
from asgd.closure import find_closure, hash_sources, strip_comments
from asgd.errors import AsgdError

SOURCE = '''"""Module."""
# a comment
import math

def area(r):  # trailing
    """Docstring,
    of two lines."""
    text = "# no comment"
    return math.pi * r**2
'''


def fingerprint(folder: Path, source: str) -> str:
    file = folder / "module.py"
    file.write_text(source)
    return hash_sources({"module": file})


def test_only_code_is_left() -> None:
    assert strip_comments(SOURCE) == ('import math\ndef area(r):\n    text = "# no comment"\n    return math.pi * r**2')


@pytest.mark.parametrize("file", sorted(Path(asgd.__file__).parent.rglob("*.py")), ids=lambda file: file.name)
def test_comments_are_told_from_strings_as_the_tokenizer_tells_them(file: Path) -> None:
    source = file.read_text()
    lines, strings = source.splitlines(), []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
        elif token.type == tokenize.STRING and "#" in token.string and not token.string.startswith('"""'):
            strings.append(token.string)
    stripped = strip_comments(source)
    assert stripped == strip_comments("\n".join(lines))
    assert not [string for string in strings if string not in stripped]


@pytest.mark.parametrize(
    "edit",
    [("# a comment", "# another\\n\\n"), ("Docstring", "Explanation"), ("  # trailing", ""), ('"""Module."""', "")],
)
def test_comments_docstrings_and_blank_lines_do_not_count(tmp_path: Path, edit: tuple[str, str]) -> None:
    assert fingerprint(tmp_path, SOURCE) == fingerprint(tmp_path, SOURCE.replace(*edit))


@pytest.mark.parametrize("edit", [("r**2", "r**3"), ("# no comment", "# no"), ("math.pi", "3")])
def test_code_counts(tmp_path: Path, edit: tuple[str, str]) -> None:
    assert fingerprint(tmp_path, SOURCE) != fingerprint(tmp_path, SOURCE.replace(*edit))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in which `top` imports in every way there is."""
    files = {
        "__init__.py": '__version__ = "1"',
        "top.py": "import pack.plain\nfrom pack.hub import handed\nfrom pack import direct\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack import typing_only\n"
        "def f():\n    from pack.inner import late\n",
        "plain.py": "import os, numpy",
        "direct.py": "from . import relative",
        "relative.py": "from .inner import other",
        "typing_only.py": "",
        "unused.py": "",
        "hub/__init__.py": '"""Hands on."""\nfrom pack.hub.a import handed\nfrom pack.hub.b import another\n'
        '__all__ = ["handed"]',
        "hub/a.py": "handed = 1",
        "hub/b.py": "another = 1",
        "inner/__init__.py": "from pack.inner.helper import help\nlate = help()",
        "inner/helper.py": "def help(): ...",
        "inner/other.py": "",
    }
    for name, text in files.items():
        (tmp_path / "pack" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pack" / name).write_text(text)
    return tmp_path


def test_all_that_can_run_is_in_the_closure_and_nothing_else(package: Path) -> None:
    names = {name.removeprefix("pack.") for name in find_closure(["pack.top"], sources=package)}
    assert names == {"top", "plain", "direct", "relative", "hub.a", "inner", "inner.helper", "inner.other"}


def test_what_is_outside_is_left_out_with_what_only_it_imports(package: Path) -> None:
    names = find_closure(["pack.top"], outside=["pack.direct", "pack.inner"], sources=package)
    assert set(names) == {"pack.top", "pack.plain", "pack.hub.a"}


def test_a_script_is_a_root(package: Path) -> None:
    script = package / "script.py"
    script.write_text("from pack.hub import another")
    assert set(find_closure([script], sources=package)) == {"script.py", "pack.hub.b"}


def test_a_module_that_is_not_there_is_an_error_that_names_it(package: Path) -> None:
    with pytest.raises(AsgdError, match=r"pack\.nowhere: no such module"):
        find_closure(["pack.nowhere"], sources=package)


def test_the_closure_is_what_an_import_really_loads() -> None:
    """For a module whose imports all lie at its top: Python itself is the judge."""
    program = "import sys, asgd.simulator.simulate; print(*[name for name in sys.modules if name.startswith('asgd.')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    found = find_closure(["asgd.simulator.simulate"])
    packages = {name for name in loaded if Path(asgd.__file__).parents[1].joinpath(*name.split(".")).is_dir()}
    # Packages whose __init__ has no code, and what the package does first.
    assert set(loaded) - set(found) == {*packages, "asgd.bytecode", "asgd.extras"}


def test_code_on_a_docstrings_line_counts(tmp_path: Path) -> None:
    assert strip_comments('"""Doc ü."""; x = 1\n') == "; x = 1"
    assert fingerprint(tmp_path, '"""Doc."""\n') != fingerprint(tmp_path, '"""Doc."""; x = 1\n')


def test_a_package_comes_before_a_module_of_its_name_and_a_module_beside_the_package_counts(package: Path) -> None:
    (package / "pack/plain").mkdir()
    (package / "pack/plain/__init__.py").write_text("import helper\nx = 1")
    (package / "helper.py").write_text("")
    found = find_closure(["pack.top"], sources=package)
    assert found["pack.plain"] == package / "pack/plain/__init__.py"
    assert "helper" in found
