"""TensorFlow's own gs://, in C++, against the bucket server: a second client, which shares no code with the first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.bucket.process import BucketServer
from tests.bucket.proxy import TlsProxy
from tests.deadlines import ANSWER_SECS

PROGRAM = """
import tensorflow as tf
files = tf.io.gfile
with files.GFile("gs://bucket/run/a.txt", "w") as file:
    file.write("hello\\nworld\\n")
files.rename("gs://bucket/run/a.txt", "gs://bucket/run/b.txt")
assert not files.exists("gs://bucket/run/a.txt")
assert files.stat("gs://bucket/run/b.txt").length == 12
assert files.listdir("gs://bucket/run") == ["b.txt"]
assert files.glob("gs://bucket/run/*.txt") == ["gs://bucket/run/b.txt"]
assert list(tf.data.TextLineDataset("gs://bucket/run/b.txt").as_numpy_iterator()) == [b"hello", b"world"]
with tf.io.TFRecordWriter("gs://bucket/records") as writer:
    for number in range(100):
        writer.write(bytes([number]) * 10_000)
read = tf.data.TFRecordDataset("gs://bucket/records").as_numpy_iterator()
assert [record[0] for record in read] == list(range(100))
weight = tf.Variable([1.0, 2.0])
checkpoint = tf.train.Checkpoint(weight=weight)
path = checkpoint.save("gs://bucket/checkpoints/model")
weight.assign([0.0, 0.0])
checkpoint.restore(path)
assert weight.numpy().tolist() == [1.0, 2.0]
assert tf.train.latest_checkpoint("gs://bucket/checkpoints") == path
module = tf.Module()
module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([], tf.float32)])
tf.saved_model.save(module, "gs://bucket/model")
assert tf.saved_model.load("gs://bucket/model").double(2.0).numpy() == 4.0
files.rmtree("gs://bucket/model")
assert not files.exists("gs://bucket/model/saved_model.pb")
"""


@pytest.mark.process
def test_checkpoints_models_records_text_globs_and_renames_run(bucket_server: BucketServer) -> None:
    with TlsProxy(bucket_server.url) as proxy:
        environ = {**os.environ, **proxy.environ}
        subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True, timeout=ANSWER_SECS)
    log = bucket_server.log()
    assert {"resumable.put", "rewrite", "list", "stat", "download", "delete"} <= {entry["op"] for entry in log}
    assert not [entry for entry in log if entry["op"] == "unknown" or entry["status"] in (0, 405, 500)]
