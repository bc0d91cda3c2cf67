"""Flags of the doctor."""

from __future__ import annotations

import pytest

from trainer.job import flags
from trainer.launch.doctor import options
from trainer.launch.doctor.options import DoctorOptions


def test_help_says_how_the_command_is_called() -> None:
    with pytest.raises(flags.HelpRequested, match="Usage: python -m trainer.launch doctor"):
        options.parse(["--help"])


def test_the_doctor_takes_a_directory_under_both_names() -> None:
    assert options.parse(["--job-dir=out"]) == DoctorOptions(output_dir="out")
