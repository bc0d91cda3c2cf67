"""Optuna's own lines on the terminal."""

from __future__ import annotations

import warnings

import optuna

from trainer.launch.sweep import optuna_output


def test_optuna_is_quiet_inside_and_as_before_outside() -> None:
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with optuna_output.silenced():
            assert optuna.logging.get_verbosity() == optuna.logging.ERROR
            warnings.warn("new", optuna.exceptions.ExperimentalWarning, stacklevel=1)
    assert optuna.logging.get_verbosity() == before
