"""One sweep for a directory."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from trainer.job.errors import UsageError
from trainer.launch.sweep import directory_lock


def test_a_second_sweep_is_refused_while_the_first_runs(tmp_path: pathlib.Path) -> None:
    first = directory_lock.lock(tmp_path)
    with pytest.raises(UsageError) as caught:
        directory_lock.lock(tmp_path)
    assert str(caught.value) == (
        f"Another sweep, process {os.getpid()}, runs in {tmp_path}. Accepted: one sweep at a time in a directory. "
        "Wait for it, stop it, or choose another --output_dir."
    )
    os.close(first)
    os.close(directory_lock.lock(tmp_path))


@pytest.mark.process
def test_processes_that_hold_the_lock_of_a_dead_sweep_keep_others_out(tmp_path: pathlib.Path) -> None:
    first = directory_lock.lock(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[first])
    os.close(first)
    (tmp_path / directory_lock.FILE).write_text("999999999")
    try:
        with pytest.raises(UsageError, match="Processes of a sweep that has ended still run in .*End them: fuser"):
            directory_lock.lock(tmp_path, leftover_secs=0.1)
    finally:
        child.communicate(b"\n")
    os.close(directory_lock.lock(tmp_path))
