"""Two thousand short runs in batches on a real Slurm, with a node lost in the middle and a disk that fills up.

    python -m tests.slurm_batches

needs what tests.slurm_trial needs, and the right to mount a small disk. Prints a transcript; exit status 1 if the runs
are not those of a local study, bit for bit, or if anything was trained twice.
"""

import contextlib
import copy
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from asgd.runs.batch import Batch
from tests.pipeline import TINY, Project, documented_command, wait_for
from tests.slurm_trial import IMPATIENT, run, run_trial, say

PARAMS = copy.deepcopy(TINY)
PARAMS["presets"]["tiny"] |= {
    "runs_per_batch": 50,
    "experiments": {"delay": {"num_workers": [1, 2, 3, 4, 5], "seeds": list(range(400))}},
}
NUM_RUNS, NUM_BATCHES = 2000, 40
#: Fewer jobs in the queue at a time than there are batches: a limit that many clusters set.
LIMIT = 10
SUBMIT = [*documented_command("slurm", "pdf=False"), *IMPATIENT, "--jobs", str(LIMIT), "--", "runs"]
DISK = "48m"


@contextlib.contextmanager
def mount_disk(folder: Path) -> Iterator[None]:
    """A small disk at ``folder`` within the block."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def read_curves(project: Project) -> dict[str, bytes]:
    """The metrics of every run, by name. Raises AsgdError for a batch that is not whole."""
    found: dict[str, bytes] = {}
    for path in (project.folder / "results/batches").glob("[!.]*"):
        with Batch(path) as batch:
            found |= {name: batch.read_run(name)[2]["metrics.csv"] for name in batch.runs}
    return found


def list_finished(project: Project) -> list[Path]:
    """The batches that are there."""
    return list((project.folder / "results/batches").glob("[!.]*.parquet"))


def lose_node() -> None:
    """What a power failure does: all of the node's processes are gone, and Slurm notices."""
    node = int(run("pgrep", "-x", "slurmd").split()[0])
    for pid in run("pgrep", "-x", "slurmstepd").split():
        for victim in [*_list_below(int(pid)), int(pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    os.kill(node, signal.SIGKILL)
    run("scontrol", "update", "nodename=localhost", "state=down", "reason=power")


def _list_below(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that they started."""
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, encoding="utf-8", check=False)
    for child in map(int, done.stdout.split()):
        yield from _list_below(child)
        yield child


def try_study(local: Project, cluster: Project) -> bool:
    """Run the study here and on Slurm; returns whether the results are the same."""
    done = local.run("snakemake", "--cores", "all", "--config", "pdf=False", "--", "runs")
    expected = read_curves(local)
    say(f"local run: status {done.returncode}, {len(expected):,} runs in {len(list_finished(local))} batches")
    if done.returncode:
        print(done.stdout[-3000:])
        return False

    say(f"submitted to Slurm, {LIMIT} jobs at a time")
    most = 0
    process = cluster.start(*SUBMIT)
    while len(list_finished(cluster)) < NUM_BATCHES // 4 and process.poll() is None:
        most = max(most, len(run("squeue", "--noheader", "--array", "--format=%i").split()))
    say(f"{len(list_finished(cluster))} batches are there; at most {most} jobs were in the queue")
    lose_node()
    say("lost the node")
    run("slurmd")
    run("scontrol", "update", "nodename=localhost", "state=resume")
    wait_for(lambda: len(list_finished(cluster)) >= NUM_BATCHES // 2 or process.poll() is not None, "more batches")
    say(f"the node is back, {len(list_finished(cluster))} batches are there")

    filler = cluster.folder / "results/filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    say("the disk is full")
    output, _ = process.communicate()
    say(f"snakemake ended with status {process.returncode}; {len(list_finished(cluster))} batches are there")
    reasons = sorted(set(re.findall(r"No space left on device", output)))
    say(f"it said: {', '.join(reasons) or 'nothing of the disk'}")
    kept = {path: path.stat().st_mtime_ns for path in list_finished(cluster)}
    filler.unlink()

    again = cluster.run(*SUBMIT)
    found = read_curves(cluster)
    say(f"submitted again, with space: status {again.returncode}, {len(found):,} runs")
    if again.returncode:
        print(again.stdout[-3000:])
        return False
    twice = [path for path, changed in kept.items() if path.stat().st_mtime_ns != changed]
    say(f"curves are {'equal, byte for byte' if found == expected else 'NOT equal'}; {len(twice)} batches made twice")
    return found == expected and len(found) == NUM_RUNS and not twice and 0 < most <= LIMIT + 1 and bool(reasons)


def main() -> int:
    """Print the transcript; returns the exit status."""
    try:
        return run_trial(try_study, PARAMS, mount_disk)
    except subprocess.CalledProcessError as error:
        if error.cmd[0] != "mount":
            raise
        print("skipped: no disk can be mounted here")
        return 0


if __name__ == "__main__":
    sys.exit(main())
