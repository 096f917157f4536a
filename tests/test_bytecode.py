"""Python never runs the code from before an edit, whatever the edited file's time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.pipeline import ROOT


def test_an_edit_of_the_same_size_and_time_is_run(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    sources = Path(shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored))
    module = sources / "asgd/analyses/stability/thresholds.py"
    command = [sys.executable, "-c", "from asgd.analyses.stability.thresholds import EDITED; print(EDITED)"]
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    text = module.read_text()
    for value in ("1", "2", "3"):
        module.write_text(f"{text}\nEDITED = {value}\n")
        os.utime(module, (1_000_000_000, 1_000_000_000))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"{value}\n"
