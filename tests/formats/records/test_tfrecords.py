from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from trainer.formats.records import tfrecords
from trainer.job.errors import DataError
from trainer.storage import framing


def example(**features: list[float]) -> bytes:
    made = tfrecords.example_class()()
    for name, values in features.items():
        made.features.feature[name].float_list.value.extend(values)
    return bytes(made.SerializeToString())


def test_records_written_by_tensorflow_are_read_without_it(tmp_path: Path) -> None:
    import tensorflow as tf

    path = str(tmp_path / "a.tfrecord")
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[1.0, 2.5]))
    made = tf.train.Example(features=tf.train.Features(feature={"values": feature}))
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(made.SerializeToString())
        writer.write(b"")
    (_, first), (number, second) = tfrecords.read_records(path)
    assert number == 2
    assert second == b""
    assert framing.is_framed(Path(path).read_bytes())
    parsed = tfrecords.parsed(first, "here")
    assert tfrecords.feature_floats(parsed, "values", 2, "here").tolist() == [1.0, 2.5]


def test_frames_written_here_are_read_back_from_gzip_too(tmp_path: Path) -> None:
    for name, pack in (("plain", bytes), ("packed", gzip.compress)):
        (tmp_path / name).write_bytes(pack(framing.frame(b"one") + framing.frame(b"two")))
        assert list(tfrecords.read_records(str(tmp_path / name))) == [(1, b"one"), (2, b"two")]


def test_text_is_not_framed() -> None:
    assert not framing.is_framed(b"1,2,3,4,5,6,7,8")
    assert not framing.is_framed(b"1,2")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file[:-3], "record 2: cut off in the middle"),
        (lambda file: file[:-6] + b"x" + file[-5:], "record 2: the checksum of its data is wrong"),
        (lambda file: file + b"1,2,3,4,5,6,7,8,9", "record 3: the checksum of its length is wrong"),
    ],
)
def test_a_damaged_record_is_named_by_its_number(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(damage(framing.frame(b"first one") + framing.frame(b"second one")))  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        list(tfrecords.read_records(str(path)))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\xff\xff", "a, record 1 is not a tf.train.Example"),
        (example(other=[1.0]), r"a, record 1 has no feature 'values' \(it has: other\).*--feature_columns"),
        (example(values=[1.0]), "feature 'values' has 1 values. Accepted: 2 values"),
        (example(values=[1.0, float("nan")]), "feature 'values' holds nan at position 2. Accepted: finite numbers"),
    ],
)
def test_a_faulty_example_is_named_by_record_and_feature(record: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tfrecords.feature_floats(tfrecords.parsed(record, "a, record 1"), "values", 2, "a, record 1")


def test_a_feature_of_another_type_is_refused() -> None:
    made = tfrecords.example_class()()
    made.features.feature["values"].int64_list.value.extend([1, 2])
    with pytest.raises(DataError, match="feature 'values' is int64_list. Accepted: a float_list"):
        tfrecords.feature_floats(made, "values", 2, "here")


def test_a_sequence_example_is_named() -> None:
    import tensorflow as tf

    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))
    lists = tf.train.FeatureLists(feature_list={"values": tf.train.FeatureList(feature=[feature])})
    made = tf.train.SequenceExample(feature_lists=lists).SerializeToString()
    with pytest.raises(DataError, match="a, record 1 is a tf.train.SequenceExample. Accepted: tf.train.Example"):
        tfrecords.parsed(made, "a, record 1")
