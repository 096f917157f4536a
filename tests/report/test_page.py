"""The page of `snakemake --report`, in a real browser: figures, captions, verdicts, provenance, and no network."""

from pathlib import Path

import pytest

from asgd.claims import Verdict, Verdicts
from asgd.report import make_claims_page
from asgd.settings.claims import ClaimsConfig
from tests.browser import needs_browser, show_page
from tests.pipeline import TINY, Project

PROJECT = Path(__file__).parents[2]


def test_the_claims_page_escapes_what_it_shows() -> None:
    verdict = Verdict(claim="C6", verdict="not applicable", n=10, details={"workers": [], "rates": [0.0]})
    page = make_claims_page(Verdicts(margins=ClaimsConfig(), verdicts=[verdict]), PROJECT / "report")
    assert "the rule needs m &gt; 1, and dropout 0 and above at m = 1; there are no m &gt; 1 and p = 0" in page
    assert "<td>10</td>" in page


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
