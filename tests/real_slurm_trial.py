"""Real workers on a Slurm of two nodes, each a namespace of this machine that nothing outside can reach.

    python -m tests.real_slurm_trial

needs root, the packages of tests/slurm_trial.py, iproute2 and Ray. Runs examples/real_slurm.sh, then replays its run.
Prints a transcript; exit status 1 if anything is not as it should be.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.pipeline import ROOT, wait_for
from tests.slurm_trial import PROGRAMS, SETTINGS, run, say

HOST, NODES = "10.47.0.254", {"node1": "10.47.0.1", "node2": "10.47.0.2"}

#: New network, processes, mounts and name of the machine; all of it ends with the program.
NAMESPACE = ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "--mount-proc", "--kill-child"]

#: A node: its own address, and its own files of Ray; $1 its name, $2 the folder of all, $3 its address.
NODE = """
set -e
hostname "$1"
mkdir "$2/$1"
mount --bind "$2/hosts" /etc/hosts
mount --bind "$2/$1" /tmp/ray
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.1; done
ip addr add "$3/24" dev eth0
ip link set eth0 up
slurmd -D &
wait  # this process has to collect what ends in its namespace
"""

FLAGS = ["--num-workers", "3", "--steps", "200", "--data-source", "synthetic", "--data-num-train", "200"]
FLAGS += ["--data-num-test", "40", "--train-eval-images", "0"]


def why_not() -> str:
    """Why the trial cannot run here; empty if it can."""
    if missing := [name for name in (*PROGRAMS, "unshare", "ip") if shutil.which(name) is None]:
        return f"no {missing[0]}"
    if find_spec("ray") is None:
        return "no Ray (make setup EXTRAS=ray)"
    if os.geteuid() != 0 or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        return "needs root, and the right to make namespaces"
    return ""


@contextlib.contextmanager
def run_nodes(folder: Path) -> Iterator[None]:
    """A Slurm of two nodes within the block; this process is in a namespace of its own."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    names = "".join(f"{address} {name}\n" for name, address in NODES.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{HOST} host\n{names}", encoding="utf-8")
    settings = re.sub("^(NodeName|PartitionName|CommunicationParameters)=.*\n", "", SETTINGS, flags=re.M)
    settings = settings.format(folder=folder).replace("localhost(127.0.0.1)", f"host({HOST})")
    settings = settings.replace(f"{folder}/spool", f"{folder}/spool-%n").replace("slurmd.pid", "slurmd-%n.pid")
    settings += f"NodeName={','.join(NODES)} CPUs={os.cpu_count()} RealMemory=4000 State=UNKNOWN\n"
    settings += f"PartitionName=debug Nodes={','.join(NODES)} Default=YES MaxTime=INFINITE State=UP\n"
    (folder / "slurm.conf").write_text(settings, encoding="utf-8")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    Path("/tmp/ray").mkdir(exist_ok=True)

    run("hostname", "host")
    run("mount", "--bind", str(folder / "hosts"), "/etc/hosts")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "bridge", "type", "bridge")
    run("ip", "addr", "add", f"{HOST}/24", "dev", "bridge")
    run("ip", "link", "set", "bridge", "up")
    munge = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    munge |= {"log-file": "munged.log", "seed-file": "munged.seed"}
    run("munged", "--force", *(f"--{flag}={folder / name}" for flag, name in munge.items()))
    run("slurmctld", "-c")
    nodes = []
    for number, (name, address) in enumerate(NODES.items()):
        with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
            arguments = [*NAMESPACE, "sh", "-c", NODE, "sh", name, str(folder), address]
            nodes.append(subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT))
        children = Path(f"/proc/{nodes[-1].pid}/task/{nodes[-1].pid}/children")
        wait_for(lambda: children.read_text(encoding="utf-8").split(), f"{name}'s namespace")  # noqa: B023
        inside = children.read_text(encoding="utf-8").split()[0]
        run("ip", "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", inside)
        run("ip", "link", "set", f"to{number}", "master", "bridge")
        run("ip", "link", "set", f"to{number}", "up")
    try:
        wait_for(lambda: run("sinfo", "--noheader", "--Node", "--format=%T").split() == ["idle"] * 2, "two nodes", 60)
        yield
    finally:
        for node in nodes:
            node.kill()
            node.wait()


def try_run(project: Path) -> bool:
    """Submit the example, and replay its run; returns whether all is as it should be."""
    done = subprocess.run(
        ["sbatch", "--wait", "--output=job.log", str(ROOT / "examples/real_slurm.sh"), *FLAGS],
        cwd=project,
        check=False,
        timeout=300,
    )
    say(f"the job ended with status {done.returncode}")
    print("".join(path.read_text(encoding="utf-8") for path in sorted(project.glob("*[b0].log"))))
    if done.returncode:
        return False
    (folder,) = (project / "results/runs").iterdir()
    replayed = subprocess.run(
        ["asgd", "replay", str(folder)], cwd=project, check=False, capture_output=True, encoding="utf-8"
    )
    say(replayed.stdout.strip() or replayed.stderr.strip())
    left = [path.name for path in project.iterdir() if path.name.startswith(".ray-token")]
    say(f"tokens left: {left}")
    return "identical" in replayed.stdout and not left


def main() -> int:
    """Print the transcript; returns the exit status."""
    if sys.argv[1:]:  # within its namespace
        project = Path(sys.argv[1])
        (project / "slurm").mkdir()
        with run_nodes(project / "slurm"):
            say(f"Slurm is up: {run('sinfo', '--noheader').strip()}")
            return 0 if try_run(project) else 1
    if reason := why_not():
        print(f"skipped: no Slurm of two nodes can run here ({reason})")
        return 0
    with tempfile.TemporaryDirectory() as name:
        inside = [*NAMESPACE, sys.executable, "-m", "tests.real_slurm_trial", name]
        status = subprocess.run(inside, check=False, timeout=400).returncode
    with contextlib.suppress(OSError):  # somebody else's
        Path("/tmp/ray").rmdir()
    return status


if __name__ == "__main__":
    sys.exit(main())
