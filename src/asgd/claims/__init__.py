"""What the runs say about each claim of the paper, by the edition of the decision rules that a study names.

Rules are fixed before the runs that they judge are looked at, and an edition is never rewritten: other rules are
another edition, a module beside ``asgd.claims.first``, for other runs. Margins are in
``asgd.settings.claims.ClaimsConfig``.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from asgd.claims import first
from asgd.claims.verdict import Verdict, claims_from_json, claims_to_json, format_claims, format_effect
from asgd.settings.claims import ClaimsConfig, EditionName
from asgd.settings.run import RunConfig
from asgd.tables.arms import Study
from asgd.tables.statistics import adjust_holm

__all__ = [
    "EDITIONS",
    "Verdict",
    "claims_from_json",
    "claims_to_json",
    "format_claims",
    "format_effect",
    "judge_claims",
]

#: The rules of each edition that params.yaml may name.
EDITIONS: Mapping[EditionName, Callable[[Study], list[Verdict]]] = {"first": first.judge}


def judge_claims(
    runs: pd.DataFrame,
    evaluations: pd.DataFrame,
    margins: ClaimsConfig,
    base: RunConfig,
    with_momentum: RunConfig | None = None,
) -> list[Verdict]:
    """Judge every claim by the edition of the rules that ``margins`` names, in the order of the claims.

    ``runs`` and ``evaluations`` are the tables of ``asgd.tables.aggregate``. ``base`` holds the reference settings (a
    preset's `run`): any learning rate may be judged by naming it there. ``with_momentum`` holds those of the runs
    with momentum in C4 and C5, if they differ (another learning rate). Seeds in either do not matter.
    """
    return _adjust(EDITIONS[margins.edition](Study.of(runs, evaluations, margins, base, with_momentum)))


def _adjust(verdicts: Sequence[Verdict]) -> list[Verdict]:
    p_values = [float("nan") if verdict.p_value is None else verdict.p_value for verdict in verdicts]
    adjusted = [None if value != value else value for value in adjust_holm(p_values)]
    return [v.model_copy(update={"p_adjusted": value}) for v, value in zip(verdicts, adjusted, strict=True)]
