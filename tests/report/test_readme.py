"""The README shows what the shipped results say."""

import re
import shutil
from pathlib import Path

import pytest

from asgd.claims import Verdict, Verdicts
from asgd.errors import AsgdError
from asgd.report.generated import list_blocks
from asgd.report.page import describe_claims
from asgd.report.readme import update_block, update_readme
from asgd.report.templates import Templates
from asgd.settings.claims import ClaimsConfig

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_its_tables_are_those_of_the_results(tmp_path: Path) -> None:
    (preset,) = set(re.findall(r"\]\(results/([\w-]+)/figures/", README))
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    update_readme(copy, ROOT / "results" / preset, ROOT / "results" / "benchmark.json", ROOT / "report")
    assert copy.read_text() == README


def render_claims(*verdicts: Verdict, **summaries: object) -> str:
    numbers = describe_claims(Verdicts(margins=ClaimsConfig(), verdicts=list(verdicts)))
    numbers |= {"summaries": summaries, "n_runs": 1590, "total_steps": 2e6, "core_hours": 1.0, "cost": None}
    return Templates(ROOT / "report/templates").render("readme/claims.md", numbers)


def test_findings_are_listed_where_there_are_some() -> None:
    assert "Beyond the claims" not in render_claims()
    listed = render_claims(death={"ranks": {"instability": 0.9, "asymmetry": 0.5}})
    assert "\n\nBeyond the claims:\n\n- Whether a run that stops at a constant loss dies of instability" in listed
    assert listed.count("\n- ") == 1
    assert "(chance is 0.50).\n\nCost: 1,590 runs, 2 million server steps, 1 core hours" in listed


def test_what_is_not_applicable_stands_below_with_its_reason() -> None:
    made = [Verdict(claim=claim, verdict="not applicable") for claim in ("C3", "C3b")]
    counts = {"trained": 0, "plateau": 0, "dead": 2, "non_finite": 0}
    numbers = {"effect": 1.0, "unit": "probability", "interval": (0.34, 1.0), "n": 2}
    shown = Verdict(claim="C3b", verdict="reproduced", **numbers, details={"outcomes": counts})
    lines = render_claims(shown, *made).split("\n\nCost")[0].splitlines()
    row = "| C3b | in some runs already m = 70 does not train | **reproduced** | 1.00 probability [0.34, 1.00] |"
    assert [line.startswith(row) for line in lines] == [False, False, True, False, False]
    assert lines[-1] == "Not applicable: C3 (no runs at m = 100), C3b (no runs at m = 70)."


def test_every_template_has_a_place_in_it() -> None:
    assert list_blocks(ROOT / "report") == ["benchmark", "claims", "statements"]
    assert set(re.findall(r"<!-- (\w+): begin -->", README)) == set(list_blocks(ROOT / "report"))


def test_a_readme_without_a_place_for_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Title\n")
    with pytest.raises(AsgdError, match=r"comments .* are missing"):
        update_block(tmp_path / "README.md", "claims", "")


def test_every_file_that_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link.partition("#")[0]).exists()]
    anchors = [anchor for _, _, anchor in (link.partition("#") for link in links) if anchor]
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE)
    assert set(anchors) <= {heading.lower().replace(" ", "-") for heading in headings}


def test_every_make_target_that_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert targets
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
