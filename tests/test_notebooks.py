"""The notebooks: executed from top to bottom they say what is committed, and their links lead somewhere."""

import base64
import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipeline import ROOT

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

#: Rounding differs between processors, and training amplifies it. What cells with the tag `varies` print is accuracies.
ACCURACY = 0.15


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def words_and_numbers(text: str) -> tuple[list[str], list[float]]:
    number = r"-?\d+\.?\d*"
    return re.sub(number, "", text).split(), [float(found) for found in re.findall(number, text)]


def pixels(encoded: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("L"), float)


def compare(cell: Any, committed: Any) -> None:
    """Fail where a cell says something else than the committed one did."""
    assert [one["output_type"] for one in cell["outputs"]] == [one["output_type"] for one in committed["outputs"]]
    varies = "varies" in cell["metadata"].get("tags", [])
    for new, old in zip(cell["outputs"], committed["outputs"], strict=True):
        assert new.get("name", "stdout") == "stdout"
        shown, expected = ({"text/plain": one.get("text", ""), **one.get("data", {})} for one in (new, old))
        assert shown.keys() == expected.keys()
        if varies:
            (words, numbers), (said, known) = (words_and_numbers(one["text/plain"]) for one in (shown, expected))
            assert words == said
            assert numbers == pytest.approx(known, abs=ACCURACY)
            continue
        assert shown["text/plain"] == expected["text/plain"]
        if "image/png" in shown:  # in grey levels: outlines of letters may differ between builds of FreeType
            assert np.abs(pixels(shown["image/png"]) - pixels(expected["image/png"])).mean() < 1


@pytest.mark.slow
@each
def test_a_notebook_says_what_it_said_when_it_was_committed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient", reason="skipped: not in the environment that make makes")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):  # a user's settings
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("MPLBACKEND", "MATPLOTLIBRC"):
        monkeypatch.delenv(name, raising=False)
    committed = nbformat.read(path, as_version=4)
    executed = copy.deepcopy(committed)
    folder = {"metadata": {"path": path.parent}}
    nbclient.NotebookClient(executed, timeout=None, kernel_name="python3", resources=folder).execute()
    for cell, old in zip(code_cells(executed), code_cells(committed), strict=True):
        compare(cell, old)


@each
def test_it_was_executed_once_from_top_to_bottom(path: Path) -> None:
    cells = code_cells(json.loads(path.read_text()))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run: make notebooks"
    assert not [cell["id"] for cell in cells if "execution" in cell["metadata"]]  # times of day
    assert str(ROOT) not in path.read_text()


@each
def test_its_links_lead_to_files(path: Path) -> None:
    text = "".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    links = re.findall(r"\]\(([^)#]+)", text)
    assert len(links) > 0
    assert not [link for link in links if not (path.parent / link).exists()]
