"""`python -m benchmarks.buckets`: what a checkpoint in a bucket costs beside TensorFlow's own gs://, and a large one.

Against the bucket server of the tests, which answers after 30 ms. Prints the tables of README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.bucket.process import ROOT, BucketServer
from tests.bucket.proxy import TlsProxy
from trainer import storage

LATENCY_SECS = 0.03
SAVES, BETWEEN_SECS, KEEP = 12, 1.2, 5
UNITS, INPUTS = 3, 1


def main() -> int:
    options = _options()
    if options.contestant:
        print(json.dumps(_CONTESTANTS[options.contestant][1]()))
        return 0
    with tempfile.TemporaryDirectory(prefix="buckets-") as folder:
        print(_checkpoints(pathlib.Path(folder)))
        print(_large(pathlib.Path(folder), options.megabytes << 20))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.buckets", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024, help="size of the large file")
    parser.add_argument("--contestant", choices=list(_CONTESTANTS), help="save checkpoints, and print the seconds")
    return parser.parse_args()


# A checkpoint of the course's size


def _checkpoints(folder: pathlib.Path) -> str:
    rows = ["| contestant | requests a checkpoint | training waits, ms a save (highest) |", "|---|---|---|"]
    for contestant, (name, _) in _CONTESTANTS.items():
        with BucketServer(folder / contestant) as server, TlsProxy(server.url) as proxy:
            server.set_faults(latency_secs=LATENCY_SECS)
            through = proxy.environ if contestant == "tensorflow" else server.environ
            stalls = _run(contestant, {**through, "TRAINER_SCRATCH": str(folder / "scratch")})
            requests = sum(server.counts().values()) / SAVES
        waited = f"{statistics.median(stalls) * 1000:,.1f} ({max(stalls) * 1000:,.1f})"
        rows.append(f"| {name} | {requests:.1f} | {waited} |")
    return "\n".join([*rows, ""])


def _run(contestant: str, environ: Mapping[str, str]) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.buckets", f"--contestant={contestant}"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [float(secs) for secs in json.loads(done.stdout.splitlines()[-1])]


def _variables() -> dict[str, Any]:
    """Weights, two Adam slots each, and the step of the course's LSTM."""
    import tensorflow as tf

    shapes = {"kernel": [INPUTS + UNITS, 4 * UNITS], "bias": [4 * UNITS], "dense/kernel": [UNITS, 1], "dense/bias": [1]}
    names = [f"{name}{slot}" for name in shapes for slot in ("", "/Adam", "/Adam_1")]
    made = {name: tf.Variable(tf.zeros(shapes[name.partition("/Adam")[0]])) for name in names}
    return {**made, "global_step": tf.Variable(0, dtype=tf.int64)}


def _timed(save: Callable[[int], object]) -> list[float]:
    """Seconds that the caller of each save waited."""
    secs = []
    for step in range(SAVES):
        began = time.perf_counter()
        save(step)
        secs.append(time.perf_counter() - began)
        time.sleep(max(0.0, BETWEEN_SECS - secs[-1]))
    return secs


def _ours(directory: str) -> list[float]:
    from trainer.estimator.saving import job_directory
    from trainer.estimator.saving.saver import Saver

    variables = _variables()
    directories = job_directory.of_process()
    store = directories.at(directory, "chief").checkpoints
    store.take_over(lambda reason: None, tuple)
    saver = Saver(store, KEEP, 10_000, time.time())
    with directories.flushed_at_end():
        return _timed(
            lambda step: saver.save(step, {name: v.read_value() for name, v in variables.items()}, time.time())
        )


def _tensorflow() -> list[float]:
    import tensorflow as tf

    checkpoint = tf.train.Checkpoint(**{name.replace("/", "_"): v for name, v in _variables().items()})
    manager = tf.train.CheckpointManager(checkpoint, "gs://bucket/job", max_to_keep=KEEP)
    return _timed(lambda step: manager.save(checkpoint_number=step))


def _on_disk() -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        return _ours(folder)


_CONTESTANTS: dict[str, tuple[str, Callable[[], list[float]]]] = {
    "disk": ("ours, a local directory", _on_disk),
    "ours": ("ours, gs://", lambda: _ours("gs://bucket/job")),
    "tensorflow": ("TensorFlow's own gs://, `tf.train.CheckpointManager`", _tensorflow),
}

# A large file


def _large(folder: pathlib.Path, size: int) -> str:
    source, copy = folder / "large", folder / "copy"
    block = random.Random(0).randbytes(1 << 20)
    with source.open("wb") as stream:
        for index in range(size >> 20):
            stream.write(index.to_bytes(8, "big") + block[8:])
    rows = ["| contestant | up, MB/s | down, MB/s |", "|---|---|---|"]
    with BucketServer(folder / "server") as server:
        os.environ.update(server.environ)
        server.set_faults(latency_secs=LATENCY_SECS)
        for name, (upload, download) in _TRANSFERS.items():
            up, down = _secs(lambda up=upload: up(str(source))), _secs(lambda down=download: down(str(copy)))
            if _content(copy) != _content(source):
                raise RuntimeError(f"{name} brought back something else")
            rows.append(f"| {name} | {size / up / 1e6:,.0f} | {size / down / 1e6:,.0f} |")
    return "\n".join(rows)


def _content(file: pathlib.Path) -> str:
    from trainer.storage import checksums

    return checksums.of_file(str(file))


def _secs(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _fetch(file: str) -> None:
    (entry,) = storage.entries("gs://bucket/ours")
    storage.fetch(entry, file)


def _blob() -> Any:
    from google.cloud.storage import Client

    return Client().bucket("bucket").blob("theirs")


def _manager_up(file: str) -> None:
    from google.cloud.storage import transfer_manager

    transfer_manager.upload_chunks_concurrently(file, _blob(), worker_type="thread", max_workers=8)


def _manager_down(file: str) -> None:
    from google.cloud.storage import transfer_manager

    transfer_manager.download_chunks_concurrently(_blob(), file, worker_type="thread", max_workers=8)


_TRANSFERS: dict[str, tuple[Callable[[str], object], Callable[[str], object]]] = {
    "ours, checked end to end": (lambda file: storage.upload(file, "gs://bucket/ours"), _fetch),
    "`transfer_manager` alone, threads": (_manager_up, _manager_down),
}

if __name__ == "__main__":
    sys.exit(main())
