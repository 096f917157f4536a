"""What a server leaves behind when it is killed is removed; no Ray is needed for that."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from asgd.simulator.workers.sweep import open_folder

#: A server that starts a helper, which has a file in the folder open and a session of its own, and waits to be killed.
SERVER = """
import subprocess, sys, time
from asgd.simulator.workers.sweep import open_folder
with open_folder() as folder:
    with open(folder + "/log", "w") as log:
        helper = subprocess.Popen(["sleep", "300"], stdout=log, start_new_session=True)
    print(folder, helper.pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="skipped: no /proc")
def test_a_server_that_is_killed_leaves_no_helper_and_no_folder() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        folder, helper = server.stdout.readline().split()
        assert Path(folder, "log").exists()
        server.kill()
    end = time.monotonic() + 30
    while Path(folder).exists() or Path(f"/proc/{helper}/fd/1").is_symlink():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_folder_of_sockets_has_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / "a-long-name-for-temporary-files"
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with open_folder() as folder:
        assert Path(folder).parent == Path("/tmp")
        assert Path(folder).stat().st_mode & 0o077 == 0
    assert not Path(folder).exists()
