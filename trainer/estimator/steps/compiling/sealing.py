"""Has what XLA compiles be kept for the next process."""

from __future__ import annotations

from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.storage.compiled_programs import CompiledPrograms


class SealingHook(TrainingHook):
    """Writes the checksum of what a call has compiled as soon as the call is over: nobody knows how a process ends.

    Args:
      programs: of this machine.
    """

    every_n_steps = None

    def __init__(self, programs: CompiledPrograms) -> None:
        self._programs = programs

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self._programs.seal()
