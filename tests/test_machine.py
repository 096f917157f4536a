"""What a run's record says of where it was made."""

from asgd.machine import describe_hardware, describe_versions


def test_versions_and_hardware_are_filled_in() -> None:
    import numpy as np

    assert describe_versions()["numpy"] == np.__version__
    hardware = describe_hardware()
    assert hardware["cores"] >= 1
    assert hardware["cpu"]
