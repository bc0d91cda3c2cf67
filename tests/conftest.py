"""What every test has: an environment that names no cluster, no study and no cloud."""

from __future__ import annotations

import os

import hypothesis
import pytest

# How long an example takes says nothing on a shared machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_OF_A_JOB = ("TF_CONFIG", "CLUSTER_SPEC", "JOB_COMPLETION_INDEX", "TRAINER_REPLICAS", "TRAINER_HOST_PATTERN")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what a runner would set, so that a test sees only what it sets itself."""
    for name in list(os.environ):
        if name in _OF_A_JOB or name.startswith(("AIP_", "CLOUD_ML_")):
            monkeypatch.delenv(name)
