"""C2: m = 1 and m = 10 differ by about five points at any time."""

from asgd.claims.cells import describe_setting
from asgd.claims.claim import Claim
from asgd.claims.comparisons import both_fail
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Evidence, pair
from asgd.tables.statistics import equivalence_test, estimate_paired_difference

CLAIM = Claim(
    id="C2",
    statement="m = {{ margins.gap_workers[0] }} and m = {{ margins.gap_workers[1] }} differ by about 5 points of test "
    "accuracy at any time",
    rule="""The accuracy at m = {{ margins.gap_workers[0] }} minus that at m = {{ margins.gap_workers[1] }} is averaged
        over the evaluations after the first epoch. Reproduced: the {{ (2 * margins.confidence - 1) | percent("g") }}
        interval of its mean lies inside {{ margins.gap_points | between("g") }} points. Not reproduced: it lies wholly
        outside. Not applicable: both arms fail, or the runs end with the first epoch. p-value: TOST. (The first
        edition's gap was 1.9 points, so inconclusive is likely.)""",
    effect="accuracy, m = {{ margins.gap_workers[0] }} minus m = {{ margins.gap_workers[1] }}, mean of the evaluations "
    "after the first epoch",
    reason="""
        {%- if found.absent -%} no runs at {{ say.values("m", found.absent) }}
        {%- elif found.both_fail -%} runs fail at both m
        {%- elif not found.evaluations -%}
            the rule needs evaluations after the first epoch of both arms
        {%- elif interval -%}
            the gap is {{ effect | num("+z.1f") }} points on average over {{ found.evaluations }} evaluations; its
            {{ confidence | percent("g") }} interval lies
            {% if verdict == "reproduced" %} inside {% elif verdict == "not reproduced" %} wholly outside
            {%- else %} across a limit of {%- endif %} {{ margins.gap_points | between("g") }}
        {%- else -%} {{ say.no_interval(n) }}
        {%- endif %}""",
    mapped="rate",
    figure="figure1_delay",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The mean gap in accuracy between two m after the first epoch."""
    return [_judge(evidence)]


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether the mean gap lies inside its margins."""
    return verdict.effect is not None and margins.gap_points[0] <= verdict.effect <= margins.gap_points[1]


def _judge(evidence: Evidence) -> Verdict:
    margins, (few, many) = evidence.margins, evidence.margins.gap_workers
    about = Verdict(claim=CLAIM.id, setting=describe_setting(evidence.base), verdict="not applicable")
    if absent := [m for m in (few, many) if evidence.runs_of(num_workers=m).empty]:
        return about.model_copy(update={"details": {"absent": absent}})
    curves = pair(*(evidence.curves_of("test_accuracy", num_workers=m) for m in (few, many)))
    first, second = (one.after_first_epoch() for one in curves)
    n = len(first.seeds)
    if both_fail(*(evidence.runs_of(num_workers=m).loc[first.seeds] for m in (few, many))):
        return about.model_copy(update={"n": n, "details": {"both_fail": True}})
    if n == 0 or len(first.epochs) == 0:
        return about.model_copy(update={"n": n, "details": {"evaluations": 0}})
    level, (low, high) = 2 * margins.confidence - 1, margins.gap_points
    more, less = (100 * one.values.mean(axis=1) for one in (first, second))
    gap = estimate_paired_difference(less, more, level)
    return Verdict(
        claim=CLAIM.id,
        setting=about.setting,
        verdict=_decide(gap.low, gap.high, margins.gap_points),
        effect=gap.mean,
        unit="points",
        interval=(gap.low, gap.high),
        confidence=level,
        p_value=equivalence_test(less, more, low, high),
        n=n,
        details={"evaluations": len(first.epochs)},
    )


def _decide(low: float, high: float, inside: tuple[float, float]) -> VerdictName:
    """By the limits of the interval; an undefined one is neither inside nor outside."""
    if low >= inside[0] and high <= inside[1]:
        return "reproduced"
    return "not reproduced" if low > inside[1] or high < inside[0] else "inconclusive"
