"""A bucket server as a child process, and what a test asks of it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import threading
import urllib.request
from typing import Any

from tests.bucket.faults import Plan, Rule
from tests.deadlines import ANSWER_SECS

ROOT = pathlib.Path(__file__).parent.parent.parent
_CONTROL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class BucketServer:
    """`python -m tests.bucket`, from its construction to `close`.

    Args:
      directory: of its buckets; one of an earlier server is gone on with.
      buckets: to create.
      plan: of faults, at first.
      page_size: the most entries in a page of a list.
      port: 0 for any free one.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        buckets: tuple[str, ...] = ("bucket",),
        plan: Plan = Plan(),  # noqa: B008
        page_size: int = 1000,
        port: int = 0,
    ) -> None:
        argv = ["--child", f"--directory={directory}", f"--page_size={page_size}", f"--port={port}"]
        argv += [f"--faults={json.dumps(dataclasses.asdict(plan))}", *(f"--bucket={name}" for name in buckets)]
        self.directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bucket", *argv],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # its end, however this process ends, is the child's
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        watchdog = threading.Timer(ANSWER_SECS, self._process.kill)
        watchdog.start()
        self.url = self._process.stdout.readline().strip()
        watchdog.cancel()
        if not self.url:
            raise RuntimeError(f"the bucket server did not start: python -m tests.bucket {' '.join(argv)}")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def environ(self) -> dict[str, str]:
        """What points a process at it."""
        return {"STORAGE_EMULATOR_HOST": self.url, "GOOGLE_CLOUD_PROJECT": "tests"}

    def set_plan(self, plan: Plan) -> None:
        """From now on; its draws begin anew."""
        self._ask("/_faults", json.dumps(dataclasses.asdict(plan)).encode())

    def set_faults(self, *rules: Rule, **settings: Any) -> None:
        """A plan of these rules; without any a good day."""
        self.set_plan(Plan(rules=rules, **settings))

    def counts(self) -> dict[str, int]:
        """Requests by operation, since it began."""
        return dict(json.loads(self._ask("/_counts")))

    def log(self) -> list[dict[str, Any]]:
        """Every request in order, as `journal.Entry`."""
        return [json.loads(line) for line in self._ask("/_log").splitlines()]

    def stop(self) -> None:
        """kill -9: what it answered for is on the disk."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.stop()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> BucketServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        with _CONTROL.open(self.url + path, body, timeout=ANSWER_SECS) as response:
            return bytes(response.read())
