"""Every claim judged, by the rules of the edition that the margins name."""

from collections.abc import Sequence

import pandas as pd

from asgd.claims.claim import find_claims, load_rule
from asgd.claims.verdict import Verdict, Verdicts
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.tables.arms import Evidence
from asgd.tables.statistics import adjust_holm
from asgd.tables.table import Tables


def judge_claims(
    runs: pd.DataFrame,
    evaluations: pd.DataFrame,
    margins: ClaimsConfig,
    base: RunConfig,
    with_momentum: RunConfig | None = None,
    tables: Tables | None = None,
) -> Verdicts:
    """Judge every claim, in the order of the claims.

    ``runs`` and ``evaluations`` are the tables of ``asgd.tables.aggregate``. ``base`` holds the base settings (a
    preset's `run`): any learning rate may be judged by naming it there. ``with_momentum`` holds those of the runs
    with momentum in C4 and C5, if they differ (another learning rate). Seeds in either do not matter. ``tables`` holds
    those of analyses that rules read, by name.
    """
    evidence = Evidence.of(runs, evaluations, margins, base, with_momentum, tables)
    found = [verdict for claim in find_claims(margins.edition) for verdict in judge_claim(claim, evidence)]
    return Verdicts(margins=margins, verdicts=_adjust(found))


def judge_claim(claim: str, evidence: Evidence) -> list[Verdict]:
    """The verdicts on the claim with this id, one for each of its variants; p-values are not adjusted."""
    verdicts: list[Verdict] = load_rule(evidence.margins.edition, claim).judge(evidence)
    return verdicts


def holds(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether a claim on the map holds: it is reproduced, or not rejected and its estimate lies where it says."""
    if verdict.verdict in ("reproduced", "not reproduced", "not applicable") or verdict.effect is None:
        return verdict.verdict == "reproduced"
    return bool(load_rule(margins.edition, verdict.claim).agrees(verdict, margins))


def _adjust(verdicts: Sequence[Verdict]) -> list[Verdict]:
    p_values = [float("nan") if verdict.p_value is None else verdict.p_value for verdict in verdicts]
    adjusted = [None if value != value else value for value in adjust_holm(p_values)]
    return [v.model_copy(update={"p_adjusted": value}) for v, value in zip(verdicts, adjusted, strict=True)]
