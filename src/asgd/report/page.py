"""Claims, rules and verdicts as templates know them, and the table of verdicts as a page for `snakemake --report`."""

import dataclasses
from pathlib import Path
from typing import Any

from asgd.claims import Verdicts, find_claims
from asgd.claims.wording import describe_rule, state, tabulate_verdicts
from asgd.report.templates import Templates


def describe_claims(verdicts: Verdicts, earlier: Verdicts | None = None) -> dict[str, Any]:
    """`claims`: the statement and rule of each; `verdicts`: the table of verdicts.

    `editions`: those of the rules, of the verdicts and of ``earlier`` ones. A row of the table has as `paper` whether
    the claim is the paper's, and as `earlier` the row of the same claim and variant in these; None without one.
    """
    margins, rows = verdicts.margins, tabulate_verdicts(verdicts)
    before = {row.id: dataclasses.asdict(row) for row in tabulate_verdicts(earlier)} if earlier else {}
    claims = [
        {"id": claim.id, "statement": state(claim, margins), "rule": describe_rule(claim, margins)}
        for claim in find_claims(margins.edition).values()
    ]
    return {
        "claims": claims,
        "verdicts": [
            {**dataclasses.asdict(row), "paper": row.claim.startswith("C"), "earlier": before.get(row.id)}
            for row in rows
        ],
        "editions": {"own": margins.edition, "earlier": earlier.margins.edition if earlier else None},
    }


def make_claims_page(verdicts: Verdicts, report: str | Path, earlier: Verdicts | None = None) -> str:
    """A row for each verdict, beside that of the ``earlier`` study.

    ``report`` is the project's folder of that name, with the template claims.html.j2.
    """
    return Templates(Path(report, "templates")).render("claims.html", describe_claims(verdicts, earlier))
