"""A job whose data lie in a bucket and are too many for memory, on a bad day."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

from tests.bucket.faults import Rule
from tests.bucket.fixtures import bucket_server
from tests.bucket.process import BucketServer
from tests.cluster.conftest import Start
from trainer import storage
from trainer.formats import examples, sines
from trainer.formats.records import example_class, frame

__all__ = ["bucket_server"]
pytestmark = pytest.mark.process
PARTS = 4


def framed(length: int, part: int) -> bytes:
    """The course's waves as TFRecord."""
    records = []
    for row in sines.rows(length)[part]:
        made = example_class()()
        made.features.feature["values"].float_list.value.extend(row[:-1])
        made.features.feature["labels"].float_list.value.append(row[-1])
        records.append(frame(made.SerializeToString()))
    return b"".join(records)


def test_workers_of_parameter_servers_fetch_their_own_shares(
    start: Start, bucket_server: BucketServer, tmp_path: Path
) -> None:
    waves = framed(10, 0)
    for number in range(PARTS):
        copies = 1 + examples.LARGEST_READ_BYTES // (PARTS * len(waves))  # so that they are streamed
        storage.write(f"gs://bucket/train/part-{number}", waves * copies)
    storage.write("gs://bucket/valid", framed(10, 1))
    bucket_server.set_faults(*(Rule(kind=kind, rate=0.1) for kind in ("503", "reset", "truncation", "bit_flip")))
    before = len(bucket_server.log())
    job = start(
        "--worker=2",
        "--ps=1",
        task=[
            "--train_data_paths=gs://bucket/train/*",
            "--eval_data_paths=gs://bucket/valid",
            f"--output_dir={tmp_path / 'run'}",
            "--train_steps=200",
        ],
        **bucket_server.environ,
    )
    job.completes()
    whole = [
        entry["object"]
        for entry in bucket_server.log()[before:]
        if entry["op"] == "download" and entry["status"] in (200, 206) and entry["fault"] is None
    ]
    # Each once by the chief, which looks at the data, and once by the worker whose share it is.
    assert {name: count for name, count in collections.Counter(whole).items() if "part" in name} == {
        f"train/part-{number}": 2 for number in range(PARTS)
    }
