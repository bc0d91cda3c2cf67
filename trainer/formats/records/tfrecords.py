"""TFRecord files of `tf.train.Example`, read without TensorFlow: framing, checksums, and the floats in them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory, unknown_fields

from trainer.formats.files.contents import is_cut, opened, opened_start
from trainer.formats.text.bad_rows import BadRows
from trainer.job.errors import DataError
from trainer.storage.framing import CHECKSUM, FRAME_BYTES, LENGTH, is_framed, masked

_FEATURE_LISTS = 2
"""A field of tf.train.SequenceExample that tf.train.Example lacks; their first ones look the same."""
_REWRITE = "Write the file again with tf.io.TFRecordWriter"


class DamagedRecordError(DataError):
    """A record that is not as it was written.

    Attributes:
      next_is_found: whether it is known where the next one begins.
    """

    next_is_found = False


def read_records(path: str, bad: BadRows | None = None) -> Iterator[tuple[int, bytes]]:
    """The records of a file (plain or gzip) with their numbers from 1, checksums verified.

    Args:
      path: of the file.
      bad: takes records whose checksum is wrong, and where the next one cannot be found the rest of the file; None
        raises at the first.

    Raises:
      DataError: a damaged or cut-off record, named by its number.
    """
    number, size = 1, 0
    with opened(path) as file:
        while True:
            place = f"{path}, record {number}"
            try:
                record = _record(file, place)
            except DamagedRecordError as error:
                if bad is None:
                    raise
                lost = 1 if error.next_is_found else _lost(file, number, size, place)
                bad.count(1)
                bad.meet(error, path, number, place, rows=lost)
                if not error.next_is_found:
                    return
            else:
                if record is None:
                    return
                size += len(record[0]) + FRAME_BYTES
                yield number, record[0]
            number += 1


def _lost(file: BinaryIO, number: int, size: int, place: str) -> int:
    """About how many records the rest of a file holds, the present one among them, by the mean size of those before."""
    rest = 0
    with contextlib.suppress(DataError):  # damaged gzip: what is left cannot be known
        while part := _take(file, 1 << 20, place):
            rest += len(part)
    return max(1, round(rest * (number - 1) / size)) if size else 1


def first_records(path: str, size: int) -> Iterator[bytes]:
    """The records in about the first `size` bytes, or in what `is_cut` leaves of these; raises like `read_records`."""
    number, read, cut = 1, 0, is_cut(path)
    with opened_start(path) as file:
        while read <= size and (record := _record(file, f"{path}, record {number}", cut=cut)):
            yield record[0]
            number, read = number + 1, read + len(record[0])


def parsed(example: bytes, place: str) -> Any:
    """The tf.train.Example; DataError where the bytes are none."""
    try:
        made = example_class().FromString(example)
    except message.DecodeError as error:
        raise DataError(f"{place} is not a tf.train.Example", "serialized tf.train.Example", _REWRITE) from error
    if any(field.field_number == _FEATURE_LISTS for field in unknown_fields.UnknownFieldSet(made)):
        raise DataError(
            f"{place} is a tf.train.SequenceExample",
            "tf.train.Example, each feature a list of floats",
            "Write the lists of features as one feature each",
        )
    return made


def feature_floats(example: Any, name: str, length: int, place: str, *, missing: bool = False) -> np.ndarray:
    """The values of one feature of an Example.

    Args:
      example: parsed.
      name: of the feature.
      length: how many values it is to have.
      place: of the example, for messages.
      missing: whether nan is accepted, which stands for no value.

    Returns:
      float64 [length], finite but for that.

    Raises:
      DataError: no such feature, another type or length, a value that is not finite.
    """
    features = example.features.feature
    if name not in features:
        there = ", ".join(sorted(features)) or "none"
        raise DataError(
            f"{place} has no feature {name!r} (it has: {there})",
            "float features named by --feature_columns (default values), --target_columns (default labels)",
            "Name the features that are there",
        )
    kind = features[name].WhichOneof("kind")
    if kind != "float_list":
        raise DataError(f"{place}: feature {name!r} is {kind or 'empty'}", "a float_list", _REWRITE)
    values = np.array(features[name].float_list.value[:])
    if values.shape != (length,):
        raise DataError(
            f"{place}: feature {name!r} has {values.size} values",
            f"{length} values (--sequence_length and --horizon)",
            "Set --sequence_length and --horizon to what the file holds",
        )
    wrong = np.isinf(values) if missing else ~np.isfinite(values)
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{place}: feature {name!r} holds {values[position]} at position {position + 1}",
            "finite numbers",
            _REWRITE,
        )
    return values


@functools.cache
def example_class() -> Any:
    """tf.train.Example, built from its published fields: parsed at the speed of C without importing TensorFlow."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_example_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("trainer.Example"))


def _record(file: BinaryIO, place: str, *, cut: bool = False) -> tuple[bytes] | None:
    """The next record in a tuple (a record may be empty); None at the end of the file, or where it was `cut`."""
    header = _take(file, LENGTH.size, place)
    if not header or (cut and len(header) < LENGTH.size):
        return None
    if not is_framed(header):
        raise DamagedRecordError(f"{place}: the checksum of its length is wrong", "TFRecord files", _REWRITE)
    length = LENGTH.unpack(header)[0]
    rest = _take(file, length + CHECKSUM.size, place)
    if len(rest) != length + CHECKSUM.size:
        if cut:
            return None
        raise DamagedRecordError(f"{place}: cut off in the middle", "whole records", _REWRITE)
    record = rest[:length]
    if CHECKSUM.unpack_from(rest, length)[0] != masked(record):
        error = DamagedRecordError(f"{place}: the checksum of its data is wrong", "undamaged records", _REWRITE)
        error.next_is_found = True
        raise error
    return (record,)


def _take(file: BinaryIO, size: int, place: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, OSError) as error:
        raise DamagedRecordError(
            f"{place}: damaged gzip ({error})", None, "Check it with gzip -t, and copy it again"
        ) from error


def _example_file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="trainer/example.proto", package="trainer", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, kind in (
        ("BytesList", kinds.TYPE_BYTES),
        ("FloatList", kinds.TYPE_FLOAT),
        ("Int64List", kinds.TYPE_INT64),
    ):
        _field(file.message_type.add(name=name), "value", 1, kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("Bytes", "Float", "Int64"), 1):
        field = _field(feature, f"{name.lower()}_list", number, kinds.TYPE_MESSAGE, of=f"{name}List")
        field.oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    _field(entry, "key", 1, kinds.TYPE_STRING)
    _field(entry, "value", 2, kinds.TYPE_MESSAGE, of="Feature")
    _field(features, "feature", 1, kinds.TYPE_MESSAGE, of="Features.FeatureEntry", repeated=True)
    _field(file.message_type.add(name="Example"), "features", 1, kinds.TYPE_MESSAGE, of="Features")
    return file


def _field(
    owner: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    kind: Any,
    *,
    of: str | None = None,
    repeated: bool = False,
) -> descriptor_pb2.FieldDescriptorProto:
    labels = descriptor_pb2.FieldDescriptorProto
    field = owner.field.add(name=name, number=number, type=kind)
    field.label = labels.LABEL_REPEATED if repeated else labels.LABEL_OPTIONAL
    if of:
        field.type_name = f".trainer.{of}"
    return field
