"""Products and their records, without a workflow: what counts as a change, whatever the times of the files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asgd.study.freshness import Products, recording


class Copier:
    """A product: table.csv, copied from runs.csv and a style by a script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in {"runs.csv": "1", "style": "thin", "copy.py": "import math\n"}.items():
            (folder / name).write_text(text)
        self.settings: dict[str, object] = {"rate": 0.5}
        self.inputs = {"runs": str(folder / "runs.csv"), "style": str(folder / "style")}

    def plan(self) -> Products:
        products = Products(self.folder / ".made", self.folder)
        products.add("copy", self.inputs, {"table": str(self.folder / "table.csv")}, self.settings, ["style"])
        return products

    def make(self) -> None:
        product = self.plan()["copy"]
        outputs = [str(self.folder / "table.csv")]
        with recording(product.record, product.script, self.inputs.values(), outputs, product.settings):
            shutil.copy(self.folder / "runs.csv", self.folder / "table.csv")

    def change(self) -> str:
        return self.plan().find_change("copy").replace(f"{self.folder}/", "")

    def write(self, name: str, text: str) -> None:
        """Replace a file and keep its times."""
        path = self.folder / name
        before = path.stat()
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def copier(tmp_path: Path) -> Copier:
    made = Copier(tmp_path)
    made.make()
    assert made.change() == ""
    return made


CHANGES: dict[str, tuple[Callable[[Copier], object], str]] = {
    "an input": (lambda copier: copier.write("runs.csv", "2"), "runs.csv changed"),
    "a missing input": (lambda copier: (copier.folder / "runs.csv").unlink(), "runs.csv is missing"),
    "an edited product": (lambda copier: copier.write("table.csv", "2"), "table.csv changed"),
    "a lost product": (lambda copier: (copier.folder / "table.csv").unlink(), "table.csv is missing"),
    "a setting": (lambda copier: copier.settings.update(rate=0.6), "settings: rate was 0.5 and is 0.6 now"),
    "one setting more": (lambda copier: copier.settings.update(more=1), "settings: more was None and is 1 now"),
    "the script": (lambda copier: copier.write("copy.py", "import cmath"), "copy.py changed"),
    "one input more": (lambda copier: copier.inputs.update(more=str(copier.folder / "copy.py")), "copy.py is new"),
    "one input less": (lambda copier: copier.inputs.pop("style"), "style is read no longer"),
    "a damaged record": (lambda copier: copier.write(".made/copy.json", "{"), "no record of its making"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed_whatever_the_times_say(copier: Copier, name: str) -> None:
    change, said = CHANGES[name]
    change(copier)
    assert copier.change() == said
    if name != "a missing input":
        copier.make()
        assert copier.change() == ""


def test_other_times_comments_and_a_spare_input_that_is_gone_are_no_change(copier: Copier) -> None:
    for path in copier.folder.iterdir():
        os.utime(path, (0, 0) if path.name == "table.csv" else None)
    copier.write("copy.py", '"""Copies."""\nimport math  # pi\n')
    assert copier.change() == ""
    (copier.folder / "style").unlink()
    assert copier.change() == ""
    copier.write("copy.py", "import math, cmath\n")
    assert copier.change() == "copy.py changed"


def test_an_interrupted_job_leaves_no_record(copier: Copier) -> None:
    product = copier.plan()["copy"]
    with pytest.raises(KeyboardInterrupt), recording(product.record, product.script, [], [], None):
        raise KeyboardInterrupt
    assert copier.change() == "no record of its making"


def test_an_edit_while_the_job_runs_makes_the_product_again(copier: Copier) -> None:
    product, table = copier.plan()["copy"], str(copier.folder / "table.csv")
    with recording(product.record, product.script, copier.inputs.values(), [table], product.settings):
        copier.write("copy.py", "import cmath\n")
    assert copier.change() == "copy.py changed"


def test_what_is_made_from_a_stale_product_is_not_fresh(copier: Copier) -> None:
    def plan() -> Products:
        products = copier.plan()
        products.add("again", {"table": str(copier.folder / "table.csv")}, {"all": [str(copier.folder / "end.csv")]})
        return products

    (copier.folder / "again.py").touch()
    (copier.folder / "end.csv").touch()
    again = plan()["again"]
    with recording(again.record, again.script, again.inputs.values(), again.outputs["all"], None):
        pass
    assert plan().is_fresh("again")
    copier.write("runs.csv", "2")
    assert plan().find_change("again") == ""
    assert not plan().is_fresh("again")
