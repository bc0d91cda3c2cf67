"""What the readers of TensorFlow 1 give of files, as datasets of (key, record), text [] each."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# A record of a TFRecord file stands behind its length and the checksum of that, and before its own checksum.
_BYTES_AROUND_A_RECORD = 16

Records = Callable[[tf.Tensor], tf.data.Dataset]


def records_of(reader: tf.Operation) -> Records:
    """What makes the dataset of the file of a name, text [].

    Args:
      reader: the op of a reader.

    Raises:
      ValueError: a reader of another kind.
    """
    if reader.type not in _KINDS:
        raise ValueError(
            f"The input function reads by a {reader.type}. It takes a TextLineReader, TFRecordReader, "
            "FixedLengthRecordReader, WholeFileReader or IdentityReader. Read with a tf.data.Dataset"
        )
    return _KINDS[reader.type](reader)


def _lines(reader: tf.Operation) -> Records:
    header = reader.get_attr("skip_header_lines")

    def of(name: tf.Tensor) -> tf.data.Dataset:
        # Lines are counted from one, those of the header too.
        lines = tf.data.TextLineDataset(name).enumerate(1).skip(header)
        return lines.map(lambda number, line: (_key(name, number), line))

    return of


def _tf_records(reader: tf.Operation) -> Records:
    compression = reader.get_attr("compression_type").decode()

    def of(name: tf.Tensor) -> tf.data.Dataset:
        def placed(offset: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
            length = _BYTES_AROUND_A_RECORD + tf.cast(tf.strings.length(record), tf.int64)
            return offset + length, (_key(name, offset), record)

        return tf.data.TFRecordDataset(name, compression_type=compression).scan(tf.constant(0, tf.int64), placed)

    return of


def _fixed_lengths(reader: tf.Operation) -> Records:
    header, length, footer, hop = (reader.get_attr(f"{part}_bytes") for part in ("header", "record", "footer", "hop"))
    compression = reader.get_attr("encoding").decode()
    if hop not in (0, length):
        raise ValueError(
            f"The input function reads records of {length} bytes that begin every {hop} bytes. "
            "It takes records that do not overlap. Read with tf.data.FixedLengthRecordDataset"
        )

    def of(name: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.FixedLengthRecordDataset(name, length, header, footer, compression_type=compression)
        return records.enumerate().map(lambda number, record: (_key(name, number), record))

    return of


def _whole_files(_: tf.Operation) -> Records:
    return lambda name: tf.data.Dataset.from_tensors((name, tf.io.read_file(name)))


def _names(_: tf.Operation) -> Records:
    return lambda name: tf.data.Dataset.from_tensors((name, name))


def _key(name: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """What a reader calls a record at a place, int64 [], of a file, text []."""
    return tf.strings.join([name, tf.strings.as_string(place)], ":")


_KINDS: dict[str, Callable[[tf.Operation], Records]] = {
    "TextLineReaderV2": _lines,
    "TFRecordReaderV2": _tf_records,
    "FixedLengthRecordReaderV2": _fixed_lengths,
    "WholeFileReaderV2": _whole_files,
    "IdentityReaderV2": _names,
}
