"""The fingerprint of the training sources: what changes it and what does not."""

import io
import tokenize
from pathlib import Path

import pytest

import asgd
from asgd.provenance import describe_hardware, describe_versions, fingerprint_sources, hash_sources, strip_comments

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
    return hash_sources([file])


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


def test_a_new_file_in_a_folder_counts(tmp_path: Path) -> None:
    before = fingerprint(tmp_path, SOURCE), hash_sources([tmp_path])
    (tmp_path / "other.py").write_text("")
    assert hash_sources([tmp_path]) != before[1]


def test_the_engines_sources_exist() -> None:
    assert len(fingerprint_sources("reference")) == 64


def test_versions_and_hardware_are_filled_in() -> None:
    import numpy as np

    assert describe_versions()["numpy"] == np.__version__
    hardware = describe_hardware()
    assert hardware["cores"] >= 1
    assert hardware["cpu"]
