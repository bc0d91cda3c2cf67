"""From settings to a table: finds its files, learns from them once, and remembers what was learnt beside the run."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import storage
from trainer.formats.files import fetching, named
from trainer.formats.files.contents import is_gzip, plain_bytes
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.remote import RemoteFile
from trainer.formats.tables import kinds, learning_pass, parsed_rows, parsed_tables, reader
from trainer.formats.tables.learning_pass import Learnt
from trainer.formats.tables.parsed_rows import Rows
from trainer.formats.tables.parsed_table import ParsedTable
from trainer.formats.tables.parts import TableRows, TableStream
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.settings import TableData
from trainer.formats.tables.splitting import Part, Split
from trainer.formats.text import bad_rows, header
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Head
from trainer.job import identity, records
from trainer.job.errors import DataError, JobError, UsageError
from trainer.job.records import DamagedRecordError
from trainer.storage import fingerprints

_log = logging.getLogger(__name__)

MEMORY_LIMIT = 1 << 27
"""Bytes of text, uncompressed, up to which a table is held in memory."""
FILE = "table.json"
_NOT_LEARNT_FROM = (
    "train_data_paths",
    "eval_data_paths",
    "data_cache_dir",
    "parsed_cache_gb",
    "data_format",
    "score",
    "train_batch_size",
    "eval_batch_size",
    "num_epochs",
    "seed",
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Table(TableSchema):
    """A table that was read and checked: its schema, with its parts.

    Attributes:
      train: the rows to train on.
      evaluation: those to evaluate on.
      test: those that are looked at once, at the end; None where there are none.
      heads: of the files.
    """

    train: Rows
    evaluation: Rows
    test: Rows | None
    heads: tuple[Head, ...] = dataclasses.field(repr=False)


def describe(
    data: TableData,
    output_dir: str | None = None,
    cache: DownloadCache | None = None,
    scratch: str | None = None,
    *,
    memory_limit: int = MEMORY_LIMIT,
    parsed_from: int = parsed_tables.LEAST_BYTES,
) -> Table:
    """Reads and checks a table, without TensorFlow.

    What was learnt is kept in `table.json` below the run and used again there, for the same files and settings. The
    rows of a large table are kept beside it on this machine, so that their text is read once.

    Args:
      data: which files, and what their columns mean.
      output_dir: of the run; None keeps nothing.
      cache: where copies of files in buckets go; None makes one for them.
      scratch: the directory of this machine for what later runs may use; None keeps no rows.
      memory_limit: bytes of text up to which rows are held in memory.
      parsed_from: bytes of text from which on rows are kept.

    Raises:
      UsageError: settings that contradict each other or the data.
      DataError: the first fault in the files.
    """
    if not data.train_data_paths:
        raise UsageError("A table without --train_data_paths", "CSV files with a header", "Name the files")
    cache = cache or DownloadCache(data.data_cache_dir)
    train = named.resolve(data.train_data_paths, "train_data_paths", cache)
    evaluation = named.resolve(data.eval_data_paths, "eval_data_paths", cache)
    heads = [kinds.read(path) for path in (*train, *evaluation)]
    for found in heads[1:]:
        header.check_like(found, heads[0])
        kinds.dialect_of(found, heads[0])
    about = _about(data, (*train, *evaluation), len(train))
    restored, separate = _restored(output_dir, about), [False] * len(train) + [True] * len(evaluation)
    places = parsed_tables.opened(heads, about, scratch, data.parsed_cache_gb * 1e9, parsed_from)
    learnt, parsed = parsed_tables.read(heads, separate, data, restored, places)
    if restored is None:
        _keep(output_dir, about, learnt)
    _tell(learnt)
    _check_batches(data, learnt.counts[Part.TRAIN])
    return _table(data, heads, len(train), learnt, parsed, memory_limit)


def _about(data: TableData, paths: Sequence[str], train: int) -> dict[str, Any]:
    """Of what something is learnt, as JSON has it."""
    entries = [path.entry if isinstance(path, RemoteFile) else storage.stat(path) for path in paths]
    found = [found.record()[1:] for found in fingerprints.of([entry for entry in entries if entry is not None])]
    return {"settings": identity.plain(data, without=_NOT_LEARNT_FROM), "files": found, "train_files": train}


def _restored(output_dir: str | None, about: Mapping[str, Any]) -> Learnt | None:
    """What was learnt before in a directory of the same files with the same settings; None where nothing was."""
    path = storage.join(output_dir, FILE) if output_dir else ""
    if not output_dir or not storage.exists(path):
        return None
    try:
        record = records.parsed(storage.read(path), path, {"about": dict, "schema": dict, "counts": list, "bad": list})
    except DamagedRecordError as error:
        _log.warning("%s. The table is read again.", error.got)
        return None
    if record["about"] != about:
        return None
    bad = tuple(tuple(lines) for lines in record["bad"])
    return Learnt(schema=TableSchema.of_json(record["schema"]), counts=tuple(record["counts"]), bad=bad)


def _keep(output_dir: str | None, about: Mapping[str, Any], learnt: Learnt) -> None:
    if not output_dir:
        return
    bad_rows.write(output_dir, learnt.rows)
    record = {"about": about, "schema": dataclasses.asdict(learnt.schema), "counts": learnt.counts, "bad": learnt.bad}
    storage.write(storage.join(output_dir, FILE), records.text(records.sealed(record)).encode())


def _tell(learnt: Learnt) -> None:
    schema, counts = learnt.schema, learnt.counts
    texts = ", ".join(f"{name} ({len(schema.vocabulary(name)):,})" for name in schema.vocabularies)
    held = [
        f"{len(schema.plain_numbers)} of numbers" if schema.plain_numbers else "",
        f"{len(schema.vocabularies)} of categories, {texts}" if texts else "",
        f"{len(schema.dates)} of dates" if schema.dates else "",
    ]
    label = f"classes {', '.join(schema.classes[:6])}{', …' if len(schema.classes) > 6 else ''}"
    if schema.is_regression:
        label = f"a number, mean {schema.label_mean:.6g}, deviation {schema.label_scale:.6g}"
    _log.info(
        "A table of %s rows (%s to train, %s to evaluate, %s to test). Columns: %s. Label %s: %s.",
        *(f"{count:,}" for count in (sum(counts), *counts)),
        "; ".join(filter(None, held)),
        schema.label,
        label,
    )


def _check_batches(data: TableData, rows: int) -> None:
    """Raises DataError where the requested epochs do not fill one batch."""
    if data.num_epochs is not None and rows * data.num_epochs < data.train_batch_size:
        raise DataError(
            f"--num_epochs={data.num_epochs} of {rows} rows fill no batch of {data.train_batch_size}",
            "at least one full batch",
            f"Set --train_batch_size={rows * data.num_epochs} or less, or more --num_epochs",
        )


def _table(
    data: TableData,
    heads: Sequence[Head],
    train: int,
    learnt: Learnt,
    parsed: ParsedTable | None,
    memory_limit: int,
) -> Table:
    """The table of what is known of it.

    Args:
      data: the settings.
      heads: of the files.
      train: how many of these are not for evaluation alone.
      learnt: what their rows say.
      parsed: where the rows are kept; None where they are read from the files.
      memory_limit: bytes of text up to which they are held in memory.
    """
    alone = train < len(heads)  # files for evaluation alone
    split = Split() if alone else learning_pass.split_of(heads[0], data)
    held = sum(plain_bytes(head.path) for head in heads) <= memory_limit

    def part(which: Part) -> Rows | None:
        files = range(train, len(heads)) if alone and which is Part.EVALUATION else range(train)
        chosen = slice(files.start, files.stop)
        read, count = Part.TRAIN if alone else which, learnt.counts[which]
        text = _stream(heads[chosen], learnt.bad[chosen], learnt.schema, split, read, count)
        stream = text if parsed is None else parsed.stream(text, files, which)
        return None if not count else TableRows(stream=stream, count=count) if held else stream

    parts: dict[str, Any] = {"train": part(Part.TRAIN), "evaluation": part(Part.EVALUATION)}
    return Table(**learnt.schema.schema_fields(), **parts, test=part(Part.TEST), heads=tuple(heads))


def _stream(
    heads: Sequence[Head], bad: Sequence[tuple[int, ...]], schema: TableSchema, split: Split, part: Part, count: int
) -> TableStream:
    """The rows of a part.

    Args:
      heads: of the files.
      bad: for each file the lines that are left out.
      schema: of the table.
      split: how rows are divided.
      part: which of them.
      count: of its rows.
    """
    return TableStream(
        paths=tuple(head.path for head in heads),
        compressed=tuple(is_gzip(head.path) for head in heads),
        left_out=tuple((head.first_line, *lines) for head, lines in zip(heads, bad, strict=True)),
        names=heads[0].first,
        dialect=heads[0].dialect,
        schema=schema,
        split=split,
        part=part,
        count=count,
    )


def with_learnt_of(table: Table, earlier: Mapping[str, Any]) -> Table:
    """The table with what the weights of a run were trained with: vocabularies, scales, classes.

    Args:
      table: as described now.
      earlier: the fields of the schema of that run, as JSON has them.

    Raises:
      UsageError: the table has other columns, or a class that the run did not know.
    """
    kept = TableSchema.of_json({field.name: earlier[field.name] for field in dataclasses.fields(TableSchema)})
    unknown = sorted({*table.classes} - {*kept.classes})
    for name, now, before in (
        ("columns", table.columns, kept.columns),
        ("label", (table.label,), (kept.label,)),
        ("task", (table.task,), (kept.task,)),
        ("classes", (*kept.classes, *unknown), kept.classes),
    ):
        if now != before:
            raise UsageError(
                f"The table has {name} {_shown(now)}; the weights in the directory were trained on {_shown(before)}",
                "a table with the same columns, and classes that were there",
                "Choose the columns with --feature_columns, or take another --output_dir",
            )
    parts: dict[str, Any] = {
        name: part and part.with_schema(kept)
        for name, part in (("train", table.train), ("evaluation", table.evaluation), ("test", table.test))
    }
    return dataclasses.replace(table, **kept.schema_fields(), **parts)


def _shown(values: Sequence[str]) -> str:
    text = ",".join(values)
    return text if len(text) <= 80 else f"{text[:79]}…"


def locate_fault(table: Table, data: TableData, message: str) -> JobError | None:
    """What is behind a `tf.errors.InvalidArgumentError` of the input pipeline; None when the data are not to blame.

    Args:
      table: what the pipeline reads.
      data: the settings.
      message: the text of that error.
    """
    if failure := fetching.failure(message) or parsed_rows.fault(message, table.train):
        return failure
    try:
        found, bad = kinds.choose(table.heads[0], data), BadRows(data)
        for head in table.heads:
            for _ in reader.blocks(learning_pass.layout_of(head, found, data), bad):
                pass
    except DataError as fault:
        return fault
    return None
