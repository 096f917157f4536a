"""What a failing script leaves in its log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asgd.logs import print_error


def test_an_error_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("a\nb.csv: gone")
    assert capsys.readouterr().err == "asgd: error: a b.csv: gone\n"


def test_a_log_is_in_utf8_in_any_locale(tmp_path: Path) -> None:
    log = tmp_path / "script.log"
    code = f"from asgd.logs import log_to; log_to({str(log)!r}); print('5 \\u00b5s', '\\udcff')"
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-X", "utf8=0", "-c", code], env={**os.environ, **narrow}, check=True)
    assert log.read_text(encoding="utf-8") == "5 \u00b5s \\udcff\n"


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
