"""Claims, rules and verdicts as templates know them, and the table of verdicts as a page for `snakemake --report`."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from asgd.claims import Verdict, Verdicts, find_claims
from asgd.claims.cells import SAME_RATE
from asgd.claims.wording import describe_rule, state, tabulate_verdicts
from asgd.report.templates import Templates


def describe_claims(verdicts: Verdicts, earlier: Verdicts | None = None) -> dict[str, Any]:
    """`claims`: the statement and rule of each; `verdicts`: the table of verdicts.

    `answer` and `further_answer`: what ``answer`` says of the paper's claims, and of other statements. `editions`:
    those of the rules, of the verdicts and of ``earlier`` ones. A row of the table has as `paper` whether the claim is
    the paper's, as `same_steps_as` the variant that takes the same steps and is judged instead, and as `earlier` the
    row of the same claim and variant in these; None without one.
    """
    margins, rows = verdicts.margins, tabulate_verdicts(verdicts)
    before = {row.id: dataclasses.asdict(row) for row in tabulate_verdicts(earlier)} if earlier else {}
    claims = [
        {"id": claim.id, "statement": state(claim, margins), "rule": describe_rule(claim, margins)}
        for claim in find_claims(margins.edition).values()
    ]
    own = [_is_the_papers(verdict) for verdict in verdicts.verdicts]
    return {
        "claims": claims,
        "answer": answer(itertools.compress(verdicts.verdicts, own)),
        "further_answer": answer(itertools.compress(verdicts.verdicts, (not one for one in own))),
        "verdicts": [
            {
                **dataclasses.asdict(row),
                "paper": paper,
                "same_steps_as": verdict.details.get("same_steps_as"),
                "earlier": before.get(row.id),
            }
            for verdict, row, paper in zip(verdicts.verdicts, rows, own, strict=True)
        ],
        "editions": {"own": margins.edition, "earlier": earlier.margins.edition if earlier else None},
    }


def answer(verdicts: Iterable[Verdict]) -> dict[str, list[str]]:
    """The ids of the claims by verdict; those with several verdicts are under "depends on" and what decides.

    Those that no verdict supports are under "reproduced nowhere" or, if they are not the paper's, "supported nowhere".

    A verdict that is given where another kind of momentum takes the same steps does not count.
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if not verdict.details.get("same_steps_as"):
            by_claim.setdefault(verdict.claim, []).append(verdict)
    found: dict[str, list[str]] = {}
    for claim, judged in by_claim.items():
        found.setdefault(_summarise(judged), []).append(claim)
    return found


def _is_the_papers(verdict: Verdict) -> bool:
    return verdict.claim.startswith("C")


def _summarise(judged: Sequence[Verdict]) -> str:
    names = {verdict.verdict for verdict in judged}
    if len(names) == 1:
        return judged[0].verdict
    if not names & {"reproduced", "supported", "partly", "ceiling"}:
        return f"{'reproduced' if _is_the_papers(judged[0]) else 'supported'} nowhere"
    return f"depends on {_find_what_decides(judged)}"


def _find_what_decides(judged: Sequence[Verdict]) -> str:
    if _is_decided(judged, lambda verdict: sorted(verdict.setting.items())):
        return "the setting"
    kind = "the kind of momentum" if judged[0].variant.startswith(("server", "worker")) else "the case"
    return kind if _is_decided(judged, find_kind) else f"{kind} and the setting"


def _is_decided(judged: Sequence[Verdict], by: Callable[[Verdict], object]) -> bool:
    """Whether the verdict is the same wherever ``by`` gives the same."""
    given: dict[str, set[str]] = {}
    for verdict in judged:
        given.setdefault(repr(by(verdict)), set()).add(verdict.verdict)
    return all(len(names) == 1 for names in given.values())


def find_kind(verdict: Verdict) -> str:
    """The variant of a verdict but for the name of a further setting, which its setting says too."""
    return verdict.variant.removesuffix(SAME_RATE).strip("-")


def make_claims_page(verdicts: Verdicts, report: str | Path, earlier: Verdicts | None = None) -> str:
    """A row for each verdict, beside that of the ``earlier`` study.

    ``report`` is the project's folder of that name, with the template claims.html.j2.
    """
    return Templates(Path(report, "templates")).render("claims.html", describe_claims(verdicts, earlier))
