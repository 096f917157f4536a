"""A process that outlives a server of real workers, ends what Ray leaves behind, and removes its files.

The server may be killed. Then helpers of Ray's own stay for a minute, and its temporary folder for ever. This process
waits for the end of its input, which the server holds open as long as it lives.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: A socket's path has at most 107 bytes on Linux and 103 on macOS; Ray appends about 65 to that of its folder.
_LONGEST = 25

_NAME = "asgd-"


@contextmanager
def open_folder() -> Iterator[str]:
    """A temporary folder for Ray, gone after the block, as are the processes that have files in it.

    It lies in $TMPDIR, or in /tmp where that path is too long for sockets.
    """
    parent = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix=_NAME, dir=parent if len(os.fsencode(parent)) <= _LONGEST else "/tmp")
    sweeper = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, folder, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield folder
    finally:
        assert sweeper.stdin is not None
        sweeper.stdin.close()
        sweeper.wait()


def list_users(folder: str) -> set[int]:
    """The processes that have a file of ``folder`` open; none where there is no /proc."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(link).startswith(f"{folder}/"):  # noqa: PTH115  (such links need lead nowhere)
                found.add(int(link.parts[2]))
    return found


def sweep(folder: str, spared: int) -> None:
    """End the processes that have a file of ``folder`` open, but ``spared``, and remove it."""
    for _ in range(20):
        if not (left := list_users(folder) - {spared}):
            break
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    sweep(sys.argv[1], int(sys.argv[2]))
