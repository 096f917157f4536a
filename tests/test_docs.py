"""The documentation: its commands and programs run, its links lead somewhere, generated pages are those of the code."""

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from asgd.claims.claim import EDITIONS, find_claims
from asgd.claims.wording import describe_rule, state
from asgd.commands.claims_page import make_claims_page
from asgd.commands.documentation import make_pages
from asgd.settings.claims import ClaimsConfig, EditionName
from asgd.settings.workflow import WorkflowOptions
from tests.data.folders import make_folder, pack
from tests.documentation import PAGES, list_blocks, list_examples
from tests.pipeline import ROOT, TINY, borrow_environment, copy_repository, run

SMOKE = copy.deepcopy(TINY)
SMOKE |= {"preset": "smoke", "claims": {"confidence": 0.95}}
SMOKE["presets"] = {"smoke": SMOKE["presets"]["tiny"]}


def add_own_images(params: dict[str, Any], path: Path) -> dict[str, Any]:
    """``params`` with the preset that docs/how-to/images.md shows, on the images in ``path`` and without a checksum."""
    (shown,) = list_blocks(ROOT / "docs/how-to/images.md", "yaml")
    own = yaml.safe_load(shown)
    own["mine"]["data"] = {"source": own["mine"]["data"]["source"], "path": str(path)}
    return params | {"presets": params["presets"] | own}


def test_the_generated_pages_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    pages = make_pages()
    assert [str(path) for path, text in pages.items() if path.read_text() != text] == [], "run: make reference"


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_page_of_claims_has_every_rule_in_full(edition: EditionName) -> None:
    """As a list of cases, of which none is lost or moved to another claim."""
    page = make_claims_page().partition(f"## {edition.capitalize()} edition\n")[2].partition("\n## ")[0]
    sections = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    margins = ClaimsConfig()
    claims = find_claims(edition).values()
    assert [section.partition("\n")[0] for section in sections] == [f"{c.id}: {state(c, margins)}" for c in claims]
    for section, claim in zip(sections, claims, strict=True):
        text = " ".join(re.sub(r"^- \*(.*?)\*: ", r"\1: ", section, flags=re.MULTILINE).split())
        assert " ".join(describe_rule(claim, margins).split()) in text


def test_the_page_of_claims_names_the_margins_that_a_rule_reads() -> None:
    second = make_claims_page().partition("## Second edition\n")[2]
    (c5b,) = re.findall(r"^### C5b: .*?(?=^### )", second, re.MULTILINE | re.DOTALL)
    keys = re.findall(r"`([\w.]+): [^`]+`", c5b)
    assert {"momentum", "fail_workers", "second.rescue_points", "second.same_rate.learning_rate"} <= set(keys)
    assert "gap_points" not in keys


def test_the_reference_knows_the_workflows_options() -> None:
    source = (ROOT / "workflow/rules/config.smk").read_text()
    assert set(re.findall(r"OPTIONS\.(\w+)", source)) == set(WorkflowOptions.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", page.read_text()) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", [page for page in PAGES if list_blocks(page, "python")], ids=lambda page: page.stem)
def test_programs_run(page: Path, tmp_path: Path) -> None:
    for program in list_blocks(page, "python"):
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path(sys.prefix, ".ready").exists(), reason="skipped: not in the environment that make makes")
@pytest.mark.skipif(shutil.which("latexmk") is None, reason="skipped: no latexmk")
def test_commands_run(tmp_path: Path) -> None:
    """Every page's commands, in their order and in one clone, the tutorial first, on a study of seconds.

    Those of a page that tells to write files have a test of their own, tests/test_extend.py.
    """
    folder = tmp_path / "asgd"
    folder.mkdir()
    images = pack(make_folder(tmp_path / "images", num_train=60, num_test=5), tmp_path / "mine.tar.xz")
    copy_repository(folder, add_own_images(SMOKE, images), pdf=True)
    borrow_environment(folder)
    tutorial = ROOT / "docs/tutorial.md"
    for page in [tutorial, *(page for page in PAGES if page != tutorial and not list_examples(page))]:
        for commands in list_blocks(page, "sh"):
            run(["bash", "-euo", "pipefail", "-c", commands], folder)
        if page == tutorial:
            run(["git", "add", "--all"], folder)
            run(["git", "commit", "--quiet", "--allow-empty", "--message", "The tutorial's results"], folder)
