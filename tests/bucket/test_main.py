"""The server by hand."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bucket.process import ROOT
from tests.deadlines import ANSWER_SECS

pytestmark = pytest.mark.process


def run(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bucket", *argv],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_its_address_how_to_point_a_job_at_it_and_ends_well_with_ctrl_c(tmp_path: Path) -> None:
    with run(f"--directory={tmp_path}", "--bucket=mine") as process:
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().strip()
        told = "".join(process.stderr.readline() for _ in range(7))
        process.send_signal(2)
        assert process.wait(ANSWER_SECS) == 0
    assert f"Buckets in {tmp_path}: mine" in told
    assert f"export STORAGE_EMULATOR_HOST={url}\n" in told
    assert "--output_dir=gs://mine/run" in told


def test_a_child_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.bucket.process import BucketServer\n"
        "server = BucketServer(Path(sys.argv[1])); print(server.pid, flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, **pipes) as parent:  # type: ignore
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert select.select([child], [], [], 30)[0], "the bucket server goes on"
    os.close(child)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ('--faults={"rules": [{"kind": "fire"}]}', "fault 'fire': it is one of reset"),
        ("--faults=none.json", "No such file or directory: 'none.json'"),
        ("--bucket=Upper", "Invalid bucket name: 'Upper'. Accepted: 3 to 222"),
        ("--directory=/dev/null/x", "Not a directory: '/dev/null/x'. Choose another --port or --directory"),
    ],
)
def test_what_cannot_be_is_refused_with_exit_code_2(tmp_path: Path, argument: str, message: str) -> None:
    with run(f"--directory={tmp_path}", argument) as process:
        _, told = process.communicate(timeout=ANSWER_SECS)
    assert process.returncode == 2
    assert message in told
