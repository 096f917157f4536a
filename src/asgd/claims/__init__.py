"""What the runs say about each claim of the paper, by the edition of the decision rules that a study names.

A claim is a file of its edition's folder (``asgd.claims.claim``). Rules are fixed before the runs that they judge are
looked at, and an edition is never rewritten: other rules, for other runs, are another edition, a folder beside
``asgd.claims.first``. Margins are in ``asgd.settings.claims.ClaimsConfig``.
"""

from asgd.claims.claim import find_claims
from asgd.claims.judging import holds, judge_claims
from asgd.claims.terminal import format_claims
from asgd.claims.verdict import Verdict, Verdicts, claims_from_json, claims_to_json

__all__ = [
    "Verdict",
    "Verdicts",
    "claims_from_json",
    "claims_to_json",
    "find_claims",
    "format_claims",
    "holds",
    "judge_claims",
]
