"""docs/claims.md: every claim with the rule that decides it, from the registry of claims."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from asgd.claims.claim import EDITIONS, Claim, find_claims
from asgd.claims.wording import render
from asgd.closure import SOURCES
from asgd.settings.claims import ClaimsConfig, EditionName

_HEAD = """# Which claim, which rule

Written by `make reference` from the files of the claims.

Claims of the paper have the letter C. Statements of the work that it cites, and of this project, have the letter E.
An *edition* is a set of rules. A preset in `params.yaml` names the edition that judges it, and its `claims.json`
repeats the name. Numbers in the rules are the default margins. Each rule is followed by the keys that set its numbers,
with their defaults: change them under [`claims` in `params.yaml`](reference.md#claims).
"""
#: What begins a case of a rule: the words before the colon say which verdict, those after it when it is given.
_CASES = re.compile(
    r"(?:^|(?<=[.)] ))(Reproduced|Partly(?: \([^)]*\))?|Not reproduced|Supported|Contradicted|Inconclusive"
    r"|Not applicable|Cannot be tested(?: at this strength)?|Ceiling|p-value): "
)


class _Reading:
    """Margins that note which of their keys a template reads."""

    def __init__(self, margins: BaseModel, noted: dict[str, Any], path: str = "") -> None:
        self._margins, self._noted, self._path = margins, noted, path

    def __getattr__(self, key: str) -> Any:
        value, path = getattr(self._margins, key), self._path + key
        if isinstance(value, BaseModel):
            return _Reading(value, self._noted, f"{path}.")
        self._noted[path] = value
        return value


def make_claims_page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *(part for edition in EDITIONS for part in _describe_edition(edition))])


def _describe_edition(edition: EditionName) -> Iterator[str]:
    room, members = EDITIONS[edition]
    folder = SOURCES.joinpath(*room.split("."))
    about = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    yield f"## {edition.capitalize()} edition\n\n{about}\n"
    modules = {claim.id: module for module, claim in members.items()}
    for claim in find_claims(edition).values():
        yield _describe_claim(claim, f"src/{room.replace('.', '/')}/{modules[claim.id]}.py")


def _describe_claim(claim: Claim, file: str) -> str:
    noted: dict[str, Any] = {}
    margins: Any = _Reading(ClaimsConfig(), noted)
    statement, rule = (render(words, margins=margins) for words in (claim.statement, claim.rule))
    about, *cases = _CASES.split(rule)
    facts = {
        "Margins": _list_code(f"{key}: {_write(value)}" for key, value in sorted(noted.items())),
        "Tables": _list_code(f"{name}.csv" for name in ("runs", "evaluations", *claim.reads)),
        "Figure": f"`{claim.figure}`" if claim.figure else "",
        "Code": f"[{file}](../{file})",
    }
    parts = [
        f"### {claim.id}: {statement}",
        about.strip(),
        "\n".join(f"- *{case}*: {text.strip()}" for case, text in zip(cases[::2], cases[1::2], strict=True)),
        " ".join(f"{name}: {words}." for name, words in facts.items() if words),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _list_code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _write(value: Any) -> Any:
    """As YAML has it."""
    return [_write(one) for one in value] if isinstance(value, tuple | list) else value
