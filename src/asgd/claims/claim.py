"""What a claim is: a statement of the paper, how an edition of the rules judges it, and the words for both."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Literal

from asgd.errors import AsgdError
from asgd.members import find_members, load_member
from asgd.settings.claims import EditionName


@dataclass(frozen=True)
class Claim:
    """A claim of the paper as one edition of the rules judges it: declared in a file of its own, with its rule.

    That file also has ``judge(evidence: Evidence) -> list[Verdict]`` and, for a claim on the map, ``agrees(verdict,
    margins) -> bool``: whether the estimate lies where the claim says, of a verdict that the rule leaves open.

    The words are Jinja2 templates of plain text over `margins`; `effect` and `reason` over the verdict too, with its
    details as `found` (``asgd.claims.wording``).
    """

    id: str  #: a letter and a number, by which claims are ordered, as in C3b
    statement: str  #: what the paper says, in short
    rule: str  #: when which verdict is given
    effect: str  #: what the number is that decides
    reason: str  #: why the verdict is what it is
    #: What on the map decides whether it holds: a rate without momentum, or a pair of that and one with momentum.
    mapped: Literal["", "rate", "pair"] = ""
    reads: tuple[str, ...] = ()  #: tables of analyses that the rule reads
    figure: str = ""  #: the figure that shows what decides; empty if none does


#: The room of each edition's claims, with its declarations by module.
EDITIONS: Mapping[EditionName, tuple[str, Mapping[str, Claim]]] = {
    "first": ("asgd.claims.first", find_members("asgd.claims.first", Claim)),
    "second": ("asgd.claims.second", find_members("asgd.claims.second", Claim)),
}


def list_read(edition: EditionName) -> list[str]:
    """The tables of analyses that the rules of an edition read."""
    return list(dict.fromkeys(name for claim in find_claims(edition).values() for name in claim.reads))


@cache
def find_claims(edition: EditionName) -> dict[str, Claim]:
    """The claims of an edition by id, in their order. Raises AsgdError if two have one id."""
    room, members = EDITIONS[edition]
    claims = sorted(members.values(), key=lambda claim: _order(claim.id))
    found = {claim.id: claim for claim in claims}
    if len(found) < len(claims):
        twice = next(a.id for a, b in itertools.pairwise(claims) if a.id == b.id)
        raise AsgdError(f"{room}: two claims have the id {twice}; change one of them")
    return found


def load_rule(edition: EditionName, claim: str) -> ModuleType:
    """The module that judges the claim with this id, imported."""
    room, members = EDITIONS[edition]
    return load_member(room, next(module for module, member in members.items() if member.id == claim))


def _order(claim: str) -> tuple[str, int, str]:
    found = re.fullmatch(r"([A-Z]+)(\d+)(\w*)", claim)
    if not found:
        raise AsgdError(f"{claim!r} is not the id of a claim; give a capital letter and a number, as in C1 or C3b")
    return found[1], int(found[2]), found[3]
