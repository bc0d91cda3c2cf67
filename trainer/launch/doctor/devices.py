"""What TensorFlow would compute on: asked in a process of its own, since importing it takes seconds and much memory."""

from __future__ import annotations

import glob
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

from trainer.job.findings import Finding
from trainer.launch.doctor.report import note, ok, wrong

TIMEOUT_SECS = 120.0
_FIX_GPU = "docs/contributing.md says how to train on a GPU"
_ASK = """
import json, tensorflow as tf
counts = {kind: len(tf.config.list_physical_devices(kind)) for kind in ("CPU", "GPU", "TPU")}
print(json.dumps({"version": tf.__version__, "cuda": tf.test.is_built_with_cuda(), "found": counts}))
"""


class Question:
    """Asks TensorFlow while other things are looked at; `answer` waits for it."""

    def __init__(self, environ: Mapping[str, str], program: str = _ASK) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def answer(self, timeout_secs: float = TIMEOUT_SECS) -> Iterator[Finding]:
        """What it said. The process has ended afterwards, whatever happened."""
        try:
            output, errors = self._process.communicate(timeout=timeout_secs)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            fix = "Close other programs; python -c 'import tensorflow' shows where it hangs"
            yield wrong("devices", f"TensorFlow did not answer in {timeout_secs:g} s", fix)
            return
        yield from findings(self._process.returncode, output, errors, has_gpu=bool(glob.glob("/dev/nvidia[0-9]*")))

    def close(self) -> None:
        """Ends it, where no answer was waited for."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def findings(code: int, output: str, errors: str, *, has_gpu: bool) -> Iterator[Finding]:
    """What the answer means.

    Args:
      code: exit code of the process.
      output: on its standard output.
      errors: on its standard error.
      has_gpu: whether this machine shows one.
    """
    lines = output.strip().splitlines()
    if code or not lines:
        last = errors.strip().splitlines()[-1:] or [f"exit code {code}"]
        illegal = code in (-4, 132)
        fix = (
            "This processor lacks instructions that the wheel uses: build TensorFlow for it"
            if illegal
            else "pip install ."
        )
        yield wrong("devices", f"TensorFlow cannot be imported: {last[0]}", fix)
        return
    answer = json.loads(lines[-1])
    counted = ", ".join(f"{count} {kind}" for kind, count in answer["found"].items() if count)
    yield ok("devices", f"TensorFlow {answer['version']} computes on {counted}")
    if has_gpu and not answer["found"]["GPU"]:
        why = "cannot reach it (driver or CUDA libraries)" if answer["cuda"] else "is a build without CUDA"
        yield note("gpu", f"this machine has one, but TensorFlow {why}", _FIX_GPU)
