# Under DVC: what would be lost must be refused before anything is trained.

import subprocess


def refuse_lost_experiments():
    """`dvc exp run --temp` and `--queue` train in a copy, and in a shallow clone record nothing of it, without a word."""
    # DVC tells its commands where it was started; the copy itself does not show that history is missing.
    started = os.environ.get("DVC_ROOT")
    if not started or not workflow.is_main_process or Path(started).resolve() == Path.cwd():
        return
    command = ["git", "-C", started, "rev-parse", "--is-shallow-repository"]
    if subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "true":
        raise WorkflowError(
            f"{started}: a shallow clone, in which DVC records no experiment of a temporary copy; "
            "first get its history, git fetch --unshallow, or leave --temp and --queue out"
        )


refuse_lost_experiments()
