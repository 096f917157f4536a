"""The study on a real Slurm, where one can run; see slurm_trial.py."""

import pytest

from tests import slurm_trial


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm_trial.why_not()), reason=f"skipped: no Slurm can run here ({slurm_trial.why_not()})")
def test_jobs_lost_on_slurm_are_run_again_and_the_results_are_those_of_a_local_run() -> None:
    assert slurm_trial.main() == 0
