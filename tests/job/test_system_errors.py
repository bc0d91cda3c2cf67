"""Errors of the machine, told from errors of the program."""

from __future__ import annotations

import errno

import pytest

from trainer.job import system_errors
from trainer.job.system_errors import Kind


class OpError(Exception):
    """As TensorFlow's errors are: with the code and the system's words."""

    error_code = 8


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "", "/job/x/file"), Kind.FULL, "/job/x: no room is left on the disk"),
        (OSError(errno.EDQUOT, "", "/job/x"), Kind.QUOTA, "/job: the quota of the disk is used up"),
        (OSError(errno.EMFILE, "", "/job/x"), Kind.FILES, "/job/x: too many files are open"),
        (OSError(errno.EROFS, "", "/job/x"), Kind.READ_ONLY, "/job: its file system is read-only"),
        (OpError("{{function_node f}} /job/m.tmp; No space left on device [Op:SaveV2]"), Kind.FULL, "/job: no room"),
        (OpError("OOM when allocating tensor with shape[268435456]"), Kind.MEMORY, "There is no memory left"),
        (MemoryError(), Kind.MEMORY, "There is no memory left"),
        (RuntimeError("can't start new thread"), Kind.THREADS, "No thread can be started"),
    ],
)
def test_what_the_machine_lacks_is_told_with_its_place(error: Exception, kind: Kind, words: str) -> None:
    trouble = system_errors.of(error, "/job")
    assert trouble is not None and trouble.kind is kind
    assert str(trouble).startswith(words)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "", "/elsewhere/vocabulary.txt"),
        PermissionError(errno.EACCES, "", "/joblike/x"),
        ConnectionResetError(errno.ECONNRESET, ""),
        ValueError("No space left on device"),
        OpError("Incompatible shapes: [2,3] vs. [4]"),
    ],
)
def test_a_fault_of_the_program_is_none_of_the_machine(error: Exception) -> None:
    assert system_errors.of(error, "/job") is None


def test_the_cause_of_an_error_counts() -> None:
    error = ValueError("the checkpoint")
    error.__cause__ = FileNotFoundError(errno.ENOENT, "", "/job/model.ckpt-1.index")
    trouble = system_errors.of(error, "/job")
    assert trouble is not None and trouble.kind is Kind.GONE
