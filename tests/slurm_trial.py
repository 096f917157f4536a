"""The study on a real Slurm: start one on this machine, lose jobs in every way, and compare with a local run.

    python -m tests.slurm_trial

needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. It writes /etc/slurm/slurm.conf, which it
removes again, and so refuses to run where there is one. Prints a transcript; exit status 1 if anything is not as it
should be.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.pipeline import Project, documented_command, wait_for

CONFIGURATION = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel")

#: Slurm listens on this machine only; without accounting, as on many a small cluster.
SETTINGS = """
ClusterName=trial
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""
# Nothing of what is tested, only less waiting than on a cluster.
IMPATIENT = ["--latency-wait", "10", "--seconds-between-status-checks", "3"]
IMPATIENT += ["--slurm-init-seconds-before-status-checks", "3"]
CONFIG, TARGET = ("preset=smoke", "pdf=False", "runs_per_job=8"), ("--", "results/smoke/claims.json")
SUBMIT = [*documented_command("slurm", *CONFIG), *IMPATIENT, *TARGET]


def why_not() -> str:
    """Why the trial cannot run here; empty if it can."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"no {missing[0]}"
    if os.geteuid() != 0:
        return "needs root"
    return f"{CONFIGURATION} exists" if CONFIGURATION.exists() else ""


@contextlib.contextmanager
def run_slurm(folder: Path) -> Iterator[None]:
    """A Slurm of one node within the block, with its files in ``folder``."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    CONFIGURATION.parent.mkdir(exist_ok=True)
    CONFIGURATION.write_text(SETTINGS.format(folder=folder, cpus=os.cpu_count()), encoding="utf-8")
    munge = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    munge |= {"log-file": "munged.log", "seed-file": "munged.seed"}
    try:
        run("munged", "--force", *(f"--{flag}={folder / name}" for flag, name in munge.items()))
        run("slurmctld", "-c")
        run("slurmd")
        wait_for(lambda: "idle" in run("sinfo", "--noheader", "--format=%T"), "the node")
        yield
    finally:
        for name in ("slurmd", "slurmctld", "munged"):
            with contextlib.suppress(OSError, ValueError):
                pid = int((folder / f"{name}.pid").read_text(encoding="utf-8"))
                os.kill(pid, signal.SIGTERM)
                wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name}", 30)  # noqa: B023
        CONFIGURATION.unlink()


def run(*command: str) -> str:
    """Run a command that must succeed; returns what it printed."""
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def running_jobs() -> list[str]:
    """The numbers of the training jobs that run now."""
    lines = run("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
    return [line.split()[0] for line in lines if "train_runs" in line]


def newest_job() -> int:
    """The largest number of a job in the queue; 0 without one."""
    return max(map(int, run("squeue", "--noheader", "--format=%A").split()), default=0)


def say(text: str) -> None:
    """A line of the transcript."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def curves(project: Project) -> dict[str, bytes]:
    """The curve of every run, by the run's name."""
    return {path.parent.name: path.read_bytes() for path in project.folder.glob("results/runs/*/metrics.csv")}


def try_study(local: Project, cluster: Project) -> bool:
    """Run the study here and on Slurm, where jobs are lost; returns whether the results are the same."""
    done = local.run("snakemake", "--cores", "all", "--config", *CONFIG, *TARGET)
    say(f"local run: status {done.returncode}, {len(curves(local))} runs")
    if done.returncode:
        print(done.stdout[-3000:])
        return False

    say("submitted to Slurm")
    process = cluster.start(*SUBMIT)
    wait_for(lambda: running_jobs() and curves(cluster), "a training job with a finished run")
    victim, last = running_jobs()[0], newest_job()
    run("scancel", "--signal=KILL", "--full", victim)
    say(f"killed job {victim} while it ran, with {len(curves(cluster))} runs finished")
    wait_for(lambda: newest_job() > last or process.poll() is not None, "its second submission")
    say(f"submitted again by itself: job {newest_job()}")
    wait_for(lambda: running_jobs() or process.poll() is not None, "a training job")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    say(f"interrupted snakemake: status {process.returncode}")
    wait_for(lambda: not run("squeue", "--noheader"), "the queue to be empty")
    say(f"the queue is empty, {len(curves(cluster))} runs are finished")

    again = cluster.run(*SUBMIT)
    say(f"submitted again: status {again.returncode}, {len(curves(cluster))} runs")
    if again.returncode:
        print(again.stdout[-3000:])
        return False
    same = curves(cluster) == curves(local)
    claims = [(project.folder / "results/smoke/claims.json").read_bytes() for project in (local, cluster)]
    say(f"curves are {'equal, byte for byte' if same else 'NOT equal'}")
    say(f"verdicts are {'equal' if claims[0] == claims[1] else 'NOT equal'}")
    return same and claims[0] == claims[1]


def run_trial(
    trial: Callable[[Project, Project], bool],
    params: dict[str, Any] | None = None,
    mount: Callable[[Path], AbstractContextManager[None]] = contextlib.nullcontext,
) -> int:
    """Run a trial of a project here and one on Slurm, whose results lie where ``mount`` puts them; the exit status."""
    if reason := why_not():
        print(f"skipped: no Slurm can run here ({reason})")
        return 0
    with tempfile.TemporaryDirectory() as name:
        projects = []
        for copy in ("local", "cluster"):
            (Path(name) / copy).mkdir()
            projects.append(Project(Path(name) / copy, params))
        (Path(name) / "slurm").mkdir()
        with mount(projects[1].folder / "results"), run_slurm(Path(name) / "slurm"):
            say(f"Slurm is up: {run('sinfo', '--noheader').strip()}")
            return 0 if trial(*projects) else 1


def main() -> int:
    """Print the transcript; returns the exit status."""
    return run_trial(try_study)


if __name__ == "__main__":
    sys.exit(main())
