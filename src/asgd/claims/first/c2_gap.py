"""C2: m = 1 and m = 10 differ by about five points at any time."""

from asgd.claims.claim import Claim
from asgd.claims.comparisons import both_fail, difference_after_first_epoch
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Evidence, pair
from asgd.tables.statistics import equivalence_test, estimate_paired_difference

CLAIM = Claim(
    id="C2",
    statement="m = {{ margins.gap_workers[0] }} and m = {{ margins.gap_workers[1] }} differ by about 5 points of test "
    "accuracy at any time",
    rule="""The accuracy at m = {{ margins.gap_workers[0] }} minus that at m = {{ margins.gap_workers[1] }} has a
        {{ (2 * margins.confidence - 1) | percent("g") }} interval at every evaluation after the first epoch.
        Reproduced: it lies inside {{ margins.gap_points | between("g") }} points at
        {{ margins.gap_share | percent("g") }} or more of them. Not reproduced: it lies wholly outside at more than
        {{ (1 - margins.gap_share) | percent("g") }} of them. Not applicable: both arms fail, or the runs end with the
        first epoch. p-value: TOST against {{ margins.gap_points | between("g") }} points, of the mean over these
        evaluations.""",
    effect="accuracy, m = {{ margins.gap_workers[0] }} minus m = {{ margins.gap_workers[1] }}, mean of the evaluations "
    "after the first epoch",
    reason="""
        {%- if found.absent -%} no runs at {{ say.values("m", found.absent) }}
        {%- elif found.both_fail -%} runs fail at both m
        {%- elif not found.gaps -%}
            the rule needs evaluations after the first epoch, and the runs end at epoch
            {{ found.last_epoch | num("g") }}
        {%- elif found.gaps | rejectattr("low", "none") | list -%}
            the gap is {{ effect | num("+z.1f") }} points on average; {{ found.share_inside | percent }} of
            {{ found.gaps | length }} intervals lie inside {{ margins.gap_points | between("g") }} points,
            {{ found.share_outside | percent }} wholly outside
        {%- else -%} {{ say.no_interval(n) }}
        {%- endif %}""",
    mapped="rate",
    figure="figure1_delay",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The gap in accuracy between two m at every evaluation after the first epoch."""
    return [_judge(evidence)]


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether the mean gap lies inside its margins."""
    return verdict.effect is not None and margins.gap_points[0] <= verdict.effect <= margins.gap_points[1]


def _judge(evidence: Evidence) -> Verdict:
    margins, (few, many) = evidence.margins, evidence.margins.gap_workers
    absent = [m for m in (few, many) if evidence.runs_of(num_workers=m).empty]
    if absent:
        return Verdict(claim=CLAIM.id, verdict="not applicable", details={"absent": absent})
    first, second = pair(*(evidence.curves_of("test_accuracy", num_workers=m) for m in (few, many)))
    plain, delayed = (evidence.runs_of(num_workers=m).loc[first.seeds] for m in (few, many))
    if both_fail(plain, delayed):
        return Verdict(claim=CLAIM.id, verdict="not applicable", n=len(plain), details={"both_fail": True})
    level, n = 2 * margins.confidence - 1, len(first.seeds)
    gaps = difference_after_first_epoch(first, second, level)
    if gaps.empty:
        return Verdict(claim=CLAIM.id, verdict="not applicable", n=n, details={"last_epoch": max(first.epochs)})
    low, high = margins.gap_points
    inside = float(((gaps["low"] >= low) & (gaps["high"] <= high)).mean())
    outside = float(((gaps["low"] > high) | (gaps["high"] < low)).mean())
    less, more = (100 * curves.after_first_epoch().values.mean(axis=1) for curves in (second, first))
    mean = estimate_paired_difference(less, more, level)
    return Verdict(
        claim=CLAIM.id,
        verdict=_decide(inside, outside, margins.gap_share),
        effect=mean.mean,
        unit="points",
        interval=(mean.low, mean.high),
        confidence=level,
        p_value=equivalence_test(less, more, low, high),
        n=n,
        details={"share_inside": inside, "share_outside": outside, "gaps": gaps.to_dict("records")},
    )


def _decide(inside: float, outside: float, share: float) -> VerdictName:
    tolerance = 1e-9  # 1 - 0.9 is a little less than 0.1
    if inside >= share - tolerance:
        return "reproduced"
    return "not reproduced" if outside > 1 - share + tolerance else "inconclusive"
