from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from tests.bucket.process import ROOT, BucketServer
from tests.deadlines import ANSWER_SECS
from trainer import storage
from trainer.estimator.graph.inside import python_functions
from trainer.formats import reading
from trainer.formats.files import fetching
from trainer.formats.files.copies import KEEP_FILES
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.fetching import Fetcher
from trainer.formats.files.remote import RemoteFile
from trainer.formats.pipeline import datasets
from trainer.formats.reading import locate_fault
from trainer.formats.settings import ForecastData
from trainer.job.errors import DataError, JobError

pytestmark = pytest.mark.process

# A process that serves a pipeline made elsewhere, as a worker of parameter servers does.
WORKER = """
import sys
import tensorflow as tf
from trainer.estimator.graph.inside import python_functions
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.fetching import Fetcher
cache = DownloadCache()
fetcher = Fetcher(cache)
fetcher.register(python_functions.define)
server = tf.distribute.Server({"worker": ["127.0.0.1:0"]}, job_name="worker", task_index=0, start=True)
print(server.target, flush=True)
sys.stdin.read()
cache.close()
"""


def lines(numbers: range) -> bytes:
    return "".join(f"{n},{-n},{n + 0.5}\n" for n in numbers).encode()


def config(folder: str) -> ForecastData:
    return ForecastData(
        train_data_paths=(f"{folder}/part-*",),
        eval_data_paths=(f"{folder}/part-*",),
        sequence_length=3,
        train_batch_size=5,
        num_epochs=2,
    )


def training(data: ForecastData, cache: DownloadCache | None = None) -> tf.data.Dataset:
    return datasets.training(reading.read(data, 1, cache).train, data)


def directory_of_copies(data: ForecastData, cache: DownloadCache) -> Path:
    first = reading.read(data, 1, cache).train.paths[0]  # type: ignore[union-attr]
    assert isinstance(first, RemoteFile)
    return Path(first.local()).parent


def firsts(dataset: tf.data.Dataset) -> list[float]:
    return [float(value) for features, _ in dataset for value in features["values"][:, 0, 0].numpy()]


@pytest.fixture
def folder(request: pytest.FixtureRequest, bucket: BucketServer) -> str:
    """120 examples in twelve files."""
    place = f"gs://bucket/{request.node.name}"
    for number in range(12):
        storage.write(f"{place}/part-{number}", lines(range(10 * number, 10 * number + 10)))
    return place


@pytest.fixture
def worker(forking_python: Path, folder: str) -> Iterator[str]:
    """Address of a process that serves."""
    with subprocess.Popen(
        [forking_python, "-c", WORKER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().strip().removeprefix("grpc://")
        process.stdin.close()
        assert process.wait(ANSWER_SECS) == 0


def test_batches_of_a_bucket_are_those_of_local_files(folder: str, cache: DownloadCache, tmp_path: Path) -> None:
    storage.copy_in(folder, str(tmp_path))
    assert firsts(training(config(folder), cache)) == firsts(training(config(str(tmp_path))))


def test_every_file_is_fetched_once_for_all_epochs(bucket: BucketServer, folder: str, cache: DownloadCache) -> None:
    before = len(bucket.log())
    assert len(firsts(training(config(folder), cache))) == 240
    fetched = [entry["object"] for entry in bucket.log()[before:] if entry["op"] == "download"]
    assert len(fetched) == len(set(fetched)) == 12


def test_data_larger_than_the_room_for_copies_are_read_whole_again_and_again(bucket: BucketServer, folder: str) -> None:
    for number in range(12, 60):
        storage.write(f"{folder}/part-{number}", lines(range(10 * number, 10 * number + 10)))
    cache = DownloadCache(keep_bytes=0)
    fetcher = Fetcher(cache)
    fetcher.register(python_functions.define)
    before = bucket.counts().get("download", 0)
    pipeline = training(dataclasses.replace(config(folder), num_epochs=2), cache)
    assert sorted(firsts(pipeline)) == sorted([*range(600)] * 2)
    assert bucket.counts()["download"] - before > 60
    assert len(list(directory_of_copies(config(folder), cache).iterdir())) <= KEEP_FILES
    cache.close()


def test_a_position_is_saved_and_restored_where_no_copy_is_left(
    folder: str, cache: DownloadCache, tmp_path: Path
) -> None:
    whole = firsts(training(config(folder), cache))
    iterator = iter(training(config(folder), cache))
    begun = [float(value) for _ in range(9) for value in next(iterator)[0]["values"][:, 0, 0]]
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "position"))
    for copy in directory_of_copies(config(folder), cache).iterdir():
        copy.unlink()
    restored = iter(training(config(folder), cache))
    tf.train.Checkpoint(iterator=restored).restore(path)
    assert begun + firsts(restored) == whole


def test_a_pipeline_made_here_fetches_there_where_it_runs(
    forking_python: Path, bucket: BucketServer, folder: str, worker: str
) -> None:
    code = f"""
import tensorflow as tf
from tests.formats.files.test_fetching import config, firsts, training
tf.config.experimental_connect_to_cluster(tf.train.ClusterSpec({{"worker": [{worker!r}]}}))
with tf.device("/job:worker/task:0/cpu:0"):
    values = firsts(training(config({folder!r})))
assert sorted(values) == sorted([*range(120)] * 2), values
"""
    before = len(bucket.log())
    subprocess.run([forking_python, "-c", code], cwd=ROOT, check=True, timeout=ANSWER_SECS)
    fetched = [entry["object"] for entry in bucket.log()[before:] if entry["op"] == "download"]
    assert len(fetched) == 24 and len(set(fetched)) == 12  # by the one process to look at them, by the other to train


def test_a_file_that_changes_while_it_is_read_is_named(folder: str, cache: DownloadCache) -> None:
    data = config(folder)
    source = reading.read(data, 1, cache)
    pipeline = datasets.training(source.train, data)
    for copy in directory_of_copies(data, cache).iterdir():
        copy.unlink()
    storage.write(f"{folder}/part-7", b"0,0,0\n")
    with pytest.raises(tf.errors.InvalidArgumentError, match="part-7 was written again or deleted") as raised:
        firsts(pipeline)
    fault = locate_fault(source, str(raised.value))
    assert isinstance(fault, DataError)
    assert str(fault).startswith(f"{folder}/part-7 was written again or deleted since this job listed it (generation")
    assert str(fault).endswith("write new data under new names.")


@pytest.mark.parametrize(
    "error",
    [
        DataError('a "name" with [brackets] and 100 %', None, "Do this"),
        storage.UnavailableError("Reading failed", "A bucket", None),
        JobError("Anything else"),
    ],
)
def test_an_error_of_another_process_comes_through_tensorflow_s_words(error: JobError) -> None:
    class Failing(DownloadCache):
        def local(self, entry: storage.Entry) -> str:
            raise error

    entry = storage.Entry(path="gs://bucket/a", size=1, generation=1, crc32c="", updated=0.0)
    with pytest.raises(ValueError, match=re.escape(str(error))) as raised:
        fetching.local_path(Failing(), fetching.address(RemoteFile(entry, Failing())).encode())
    for said in (str(raised.value), json.dumps(f"Graph execution error: {raised.value}\nTraceback")):
        told = fetching.failure(said)
        assert told is not None
        assert (type(told), str(told), told.exit_code) == (type(error), str(error), error.exit_code)
    assert fetching.failure("a value is not finite") is None


def test_a_local_file_passes_as_it_is() -> None:
    assert fetching.address("/data/part.csv") == "/data/part.csv"
    assert fetching.local_path(DownloadCache(), b"/data/part.csv") == b"/data/part.csv"
