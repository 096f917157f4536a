"""The README shows what the shipped results say."""

import re
import shutil
from pathlib import Path

import pytest

from asgd.claims import Verdict
from asgd.errors import AsgdError
from asgd.report.readme import make_claims_markdown, make_findings_markdown, update_block, update_readme

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_its_tables_are_those_of_the_results(tmp_path: Path) -> None:
    (preset,) = set(re.findall(r"\]\(results/([\w-]+)/figures/", README))
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    update_readme(copy, ROOT / "results" / preset, ROOT / "results" / "benchmark.json")
    assert copy.read_text() == README


def test_findings_are_listed_where_there_are_some() -> None:
    assert make_findings_markdown({"death": "one run died"}) == ""
    listed = make_findings_markdown({"pairs": "none keeps all", "death": "one run died"})
    assert listed == "\nBeyond the claims:\n\n- Which unstated settings would make the paper right: none keeps all.\n"


def test_what_is_not_applicable_stands_below_with_its_reason() -> None:
    made = [Verdict(id=f"C{k}", claim="c", verdict="not applicable", reason=f"no runs at m = {k}") for k in (2, 3)]
    shown = Verdict(id="C1", claim="c", verdict="reproduced", reason="r")
    lines = make_claims_markdown([shown, *made]).splitlines()
    assert [line.startswith("| C1 |") for line in lines] == [False, False, True, False, False]
    assert lines[-1] == "Not applicable: C2 (no runs at m = 2), C3 (no runs at m = 3)."


def test_a_readme_without_a_place_for_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Title\n")
    with pytest.raises(AsgdError, match=r"comments .* are missing"):
        update_block(tmp_path / "README.md", "claims", "")


def test_every_file_that_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_make_target_that_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert targets
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
