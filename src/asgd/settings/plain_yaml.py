"""YAML that every reader takes for the same values, read strictly.

PyYAML keeps the last of two equal keys, takes 010 for 8 and 1:30 for 90, which other readers of params.yaml (DVC) do
not, and makes dates and sets that no parameter can be. All of these are errors here. The file is checked as
PyYAML's graph of nodes, before anything is built from it, so aliases within aliases cannot fill the memory.
"""

import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml

from asgd.errors import AsgdError

_MOST_VALUES = 1_000_000  # with every alias written out
_MOST_LEVELS = 20
_MOST_DIGITS = 30
_TAG = "tag:yaml.org,2002:"
_NUMBERS = {"int": re.compile(r"[-+]?(0|[1-9]\d*)"), "float": re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")}
_KINDS = {"null", "bool", "str", "seq", "map", *_NUMBERS}
#: Unicode's categories of what cannot be seen in a line: controls, halves of characters, separators of lines.
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}


def read_yaml(path: str | Path) -> Any:
    """The values of a YAML file in UTF-8: text, numbers, booleans, None, lists, and dictionaries with text as keys.

    Raises AsgdError, in one line, for a file that cannot be read, is not UTF-8 or not YAML, and for what is not plain:
    a key that stands twice, numbers in other notations than the decimal one, other types, values nested too deeply or
    in themselves, more than a million of them.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise AsgdError(
            f"{path}: cannot be read ({error.strerror}); start this command in the folder of the project"
        ) from error
    except UnicodeDecodeError as error:
        raise AsgdError(
            f"{path}: is not UTF-8 (byte {error.object[error.start]:#04x} at position {error.start:,}); "
            "save it in that encoding"
        ) from None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _Check().measure(root)
        return loader.construct_document(root)
    except RecursionError:
        raise AsgdError(f"{path}: {_TOO_DEEP}") from None
    except yaml.YAMLError as error:
        raise AsgdError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, LookupError) as error:  # _FaultError, and an explicit tag such as !!int that does not fit
        raise AsgdError(f"{path}: {' '.join(str(error).split())}") from None


class _FaultError(ValueError):
    def __init__(self, node: yaml.Node, text: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {text}")


_TOO_DEEP = f"values are nested more than {_MOST_LEVELS} levels deep"


class _Check:
    """Looks at each node once, however many aliases lead to it."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def measure(self, node: yaml.Node) -> tuple[int, int]:
        """How many values ``node`` stands for, and on how many levels."""
        if id(node) in self._open:
            raise _FaultError(node, "a value that contains itself; remove the alias")
        if id(node) not in self._known:
            self._open.add(id(node))
            _check_kind(node)
            parts = [self.measure(part) for part in _parts(node)]
            size, levels = 1 + sum(size for size, _ in parts), 1 + max((deep for _, deep in parts), default=0)
            if levels > _MOST_LEVELS:
                raise _FaultError(node, _TOO_DEEP)
            if size > _MOST_VALUES:
                raise _FaultError(node, f"more than {_MOST_VALUES:,} values, with all aliases written out")
            self._open.remove(id(node))
            self._known[id(node)] = size, levels
        return self._known[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        return [part for pair in node.value for part in pair if part.tag != f"{_TAG}merge"]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _check_keys(node: yaml.MappingNode) -> None:
    seen: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
            raise _FaultError(key, f"the key {_shown(key)} is not text; put it in quotes")
        # Merging (<<) is no second writing of a key: what stands beside it is meant to replace what it brings.
        if (key.tag, key.value) in seen:
            first = seen[key.tag, key.value]
            raise _FaultError(key, f"the key {_shown(key)} is given twice, first in line {first}; keep one")
        seen[key.tag, key.value] = key.start_mark.line + 1


def _check_kind(node: yaml.Node) -> None:
    kind = node.tag.removeprefix(_TAG)
    if kind not in _KINDS:
        advice = "put it in quotes if it is text" if isinstance(node, yaml.ScalarNode) else "use lists and keys"
        raise _FaultError(node, f"{_shown(node)} is of the kind '{kind}', which no parameter has; {advice}")
    if not isinstance(node, yaml.ScalarNode):
        return
    if kind in _NUMBERS and not _NUMBERS[kind].fullmatch(node.value):
        raise _FaultError(
            node, f"{_shown(node)} is not a plain decimal number; write a number that all YAML readers understand alike"
        )
    if kind == "bool" and node.value.lower() not in yaml.SafeLoader.bool_values:
        raise _FaultError(node, f"{_shown(node)} is neither true nor false")
    if kind == "int" and len(node.value) > _MOST_DIGITS:
        raise _FaultError(
            node, f"a whole number of {len(node.value):,} digits; no parameter has more than {_MOST_DIGITS}"
        )
    for character in node.value:
        if unicodedata.category(character) in _UNSEEN and character not in "\n\t":
            raise _FaultError(node, f"text with the invisible character U+{ord(character):04X}; remove it")


def _shown(node: yaml.Node) -> str:
    text = repr(node.value) if isinstance(node, yaml.ScalarNode) else "what stands here"
    return text if len(text) <= 40 else f"{text[:40]}..."
