"""What a failing script leaves in its log."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("error", "lines"), [("AsgdError('a.csv: gone; make it again')", 2), ("ValueError('bug')", 5)])
def test_a_users_error_is_one_line_and_a_bug_is_a_traceback(tmp_path: Path, error: str, lines: int) -> None:
    script = tmp_path / "script.py"
    log = tmp_path / "logs" / "script.log"
    head = f"from asgd.errors import AsgdError\nfrom asgd.logs import log_to\nlog_to({str(log)!r})\nprint('so far')\n"
    script.write_text(head + f"raise {error}\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    found = log.read_text().splitlines()
    assert found[0] == "so far"
    assert len(found) == lines
    assert found[-1].endswith({2: "asgd: error: a.csv: gone; make it again", 5: "ValueError: bug"}[lines])
