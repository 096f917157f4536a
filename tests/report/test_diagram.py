"""The diagram in the README is what its script draws, and says what the simulator does."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from asgd.report.diagram import COLOURS, list_copies, write_diagrams
from tests.pipeline import ROOT


def test_it_is_what_its_script_draws(tmp_path: Path) -> None:
    write_diagrams(tmp_path, ROOT / "report")
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(drawn) == {"protocol-light.svg", "protocol-dark.svg"}
    for name, text in drawn.items():
        shipped = (ROOT / "docs/images" / name).read_text(encoding="utf-8")
        assert shipped == text, "run: python workflow/scripts/draw_diagram.py"


def test_each_worker_holds_the_weights_that_it_was_sent_last() -> None:
    assert [copy["staleness"] for copy in list_copies()] == [3, 2, 1, 0]
    assert [copy["version"] for copy in list_copies(step=2, num_workers=4)] == [1, 2, 0, 0]


def test_the_two_differ_in_their_colours_only() -> None:
    texts = [(ROOT / f"docs/images/protocol-{theme}.svg").read_text(encoding="utf-8") for theme in COLOURS]
    light, dark = (re.sub(r"#[0-9a-f]{6}", "colour", text) for text in texts)
    assert texts[0] != texts[1]
    assert light == dark


@pytest.mark.parametrize("theme", COLOURS)
def test_a_text_for_those_who_do_not_see_it_gives_the_staleness_of_every_copy(theme: str) -> None:
    root = ElementTree.parse(ROOT / f"docs/images/protocol-{theme}.svg").getroot()
    (text,) = (element.text or "" for element in root if element.tag.endswith("desc"))
    assert "3, 2, 1 and 0 steps old" in text
