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
from trainer.formats import sines
from trainer.formats.records import examples
from trainer.formats.records.tfrecords import example_class
from trainer.storage.framing import frame

__all__ = ["bucket_server"]
pytestmark = pytest.mark.process
PARTS = 4


def framed(length: int, part: int) -> bytes:
    """The course's waves as TFRecord; each record has a feature that nobody reads, so that few are many bytes."""
    records = []
    for row in sines.rows(length)[part]:
        made = example_class()()
        made.features.feature["values"].float_list.value.extend(row[:-1])
        made.features.feature["labels"].float_list.value.append(row[-1])
        made.features.feature["unread"].bytes_list.value.append(bytes(10_000))
        records.append(frame(made.SerializeToString()))
    return b"".join(records)


@pytest.fixture
def task(bucket_server: BucketServer, tmp_path: Path) -> list[str]:
    """Flags of a job with records in a bucket that are streamed."""
    waves = framed(10, 0)
    for number in range(PARTS):
        copies = 1 + examples.LARGEST_READ_BYTES // (PARTS * len(waves))
        storage.write(f"gs://bucket/train/part-{number}", waves * copies)
    storage.write("gs://bucket/valid", framed(10, 1))
    paths = ["--train_data_paths=gs://bucket/train/*", "--eval_data_paths=gs://bucket/valid"]
    return [*paths, f"--output_dir={tmp_path / 'run'}", "--train_steps=100", "--model=linear", "--exporter="]


def test_workers_of_parameter_servers_fetch_their_own_shares(
    start: Start, bucket_server: BucketServer, task: list[str]
) -> None:
    bucket_server.set_faults(*(Rule(kind=kind, rate=0.1) for kind in ("503", "reset", "truncation", "bit_flip")))
    before = len(bucket_server.log())
    start("--worker=2", "--ps=1", task=task, **bucket_server.environ).completes()
    whole = [
        entry["object"]
        for entry in bucket_server.log()[before:]
        if entry["op"] == "download" and entry["status"] in (200, 206) and entry["fault"] is None
    ]
    # Each once by the chief, which looks at the data, and once by the worker whose share it is.
    assert {name: count for name, count in collections.Counter(whole).items() if "part" in name} == {
        f"train/part-{number}": 2 for number in range(PARTS)
    }


def test_a_file_that_is_gone_when_a_worker_wants_it_ends_the_job_with_its_name(
    start: Start, bucket_server: BucketServer, task: list[str]
) -> None:
    bucket_server.set_faults(Rule(kind="404", ops=("download",), objects="train/part-1", skip=1))  # the chief has it
    job = start("--worker=1", "--ps=1", task=task, **bucket_server.environ)
    assert job.end() == 2
    assert "Traceback" not in job.text
    (told,) = [line for line in job.lines("chief:0") if "part-1" in line]
    assert told.startswith("trainer.task: gs://bucket/train/part-1 was written again or deleted since this job listed")
