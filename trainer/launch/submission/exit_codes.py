"""What the exit code of one process of a job means, in words."""

from __future__ import annotations

_MEANINGS = {
    0: "done",
    1: "a training error; failure.json in the output directory says which",
    2: "wrong configuration, data or usage; its last log lines say which",
    126: "the image's command cannot be run",
    127: "the image has no such command",
    137: "killed, most often for lack of memory: give it more",
    139: "a crash inside a library",
    143: "asked to end, with its state saved",
}


def meaning(code: int) -> str:
    """A few words, for any code."""
    return _MEANINGS.get(code, "not one of this package's codes")
