"""The page of `snakemake --report`, in a real browser: figures, captions, verdicts, provenance, and no network."""

from pathlib import Path

import pytest

from asgd.claims import Verdict, Verdicts
from asgd.report import make_claims_page
from asgd.report.page import answer
from asgd.settings.claims import ClaimsConfig
from tests.browser import needs_browser, show_page
from tests.pipeline import TINY, Project

PROJECT = Path(__file__).parents[2]


def test_the_claims_page_escapes_what_it_shows() -> None:
    verdict = Verdict(claim="C6", verdict="not applicable", n=10, details={"workers": [], "rates": [0.0]})
    page = make_claims_page(Verdicts(margins=ClaimsConfig(), verdicts=[verdict]), PROJECT / "report")
    assert "the rule needs m &gt; 1, and dropout 0 and above at m = 1; there are no m &gt; 1 and p = 0" in page
    assert "<td>10</td>" in page


def test_a_verdict_stands_beside_that_of_the_earlier_edition() -> None:
    found = {
        "outcomes": {"trained": 1, "plateau": 0, "dead": 9, "non_finite": 0},
        "dead_interval": [0, 1],
        "not_trained_interval": [0, 1],
    }
    size = {"effect": 0.9, "unit": "probability", "interval": (0.6, 0.98), "n": 10, "details": found}
    judged = {
        "first": [Verdict(claim="C3", verdict="partly", **size)],
        "second": [
            Verdict(claim="C3", verdict="reproduced", setting={"learning_rate": 0.01}, **size),
            Verdict(claim="C3", variant="same-rate", verdict="inconclusive", setting={"learning_rate": 0.02}, **size),
        ],
    }
    margins = {name: ClaimsConfig(edition=name) for name in ("first", "second")}
    both = {name: Verdicts(margins=margins[name], verdicts=judged[name]) for name in judged}

    page = make_claims_page(both["second"], PROJECT / "report", both["first"])
    cells = [row.split("<td>") for row in page.split("<tr>")[2:]]
    shown = "0.90 [0.60, 0.98]"
    assert [[row[k].split("<")[0] for k in (3, 4, 6)] for row in cells] == [
        # The editions measure different effects.
        ["reproduced", f"P(not trained) at m = 100: {shown}", f"partly: P(dead) at m = 100: {shown}"],
        ["inconclusive", f"P(not trained) at m = 100: {shown}", "-"],
    ]
    assert "<th>First edition</th>" in page
    assert "edition" not in make_claims_page(both["second"], PROJECT / "report")


def test_the_answer_says_on_what_a_claim_depends() -> None:
    def judge(claim: str, verdict: str, variant: str = "", rate: float = 0.01, **details: str) -> Verdict:
        return Verdict.model_validate(
            {"claim": claim, "verdict": verdict, "variant": variant, "setting": {"rate": rate}, "details": details}
        )

    assert answer(
        [
            judge("C1", "reproduced"),
            judge("C3", "partly"),
            judge("C3", "reproduced", "same-rate", 0.02),
            judge("C4", "reproduced", "server-ema"),
            judge("C4", "inconclusive", "worker-ema"),
            judge("C5", "reproduced", "server-ema"),
            judge("C5", "inconclusive", "worker-ema"),
            judge("C5", "reproduced", "worker-ema-same-rate", 0.02),
            judge("C5", "not applicable", "server-pytorch", same_steps_as="server-ema"),
            judge("C5b", "not reproduced", "server-ema"),
            judge("C5b", "cannot be tested", "worker-ema"),
            judge("E2", "supported", "dc_constant"),
            judge("E2", "contradicted", "dc_adaptive"),
            judge("E8", "contradicted", "C1"),
            judge("E8", "inconclusive", "C5b"),
            judge("E4", "inconclusive", "a"),
            judge("E4", "cannot be tested", "b"),
        ]
    ) == {
        "reproduced": ["C1"],
        "depends on the setting": ["C3"],
        "depends on the kind of momentum": ["C4"],
        "depends on the kind of momentum and the setting": ["C5"],
        "reproduced nowhere": ["C5b"],
        "depends on the case": ["E2"],
        "supported nowhere": ["E8", "E4"],
    }


@needs_browser
@pytest.mark.slow
def test_the_report_shows_figures_claims_and_where_they_come_from(tmp_path: Path) -> None:
    project = Project(tmp_path, TINY)
    project.snakemake()
    project.snakemake("--report", "report.html")

    row = "tr:has-text('figure1_delay')"
    figure = show_page(tmp_path / "report.html", "text=Figures", f"{row} >> a[iconname=eye]")
    assert (figure.requests, figure.errors) == ([], [])
    assert figure.images == 1
    about = show_page(tmp_path / "report.html", "text=Figures", f"{row} >> a[iconname=information-circle]")
    assert "Figure 1 of the paper: training loss" in about.text
    assert "2 runs of experiment delay, preset tiny, images synthetic-" in about.text
    assert "asgd.figures.figure1_delay" in about.text

    claims = show_page(tmp_path / "report.html", "text=Claims", "a[iconname=eye]")
    assert (claims.requests, claims.errors) == ([], [])
    assert "with momentum, m = 100 trains" in claims.text
