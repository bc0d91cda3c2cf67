"""From settings to data: finds the files, sees which format they are in, and reads them."""

from __future__ import annotations

from trainer.formats import sequences, sines
from trainer.formats.files import contents, fetching, named
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.pipeline.streams import WindowStream
from trainer.formats.pipeline.windows import Windows, of_rows
from trainer.formats.records import examples
from trainer.formats.series import long
from trainer.formats.settings import MEMORY_LIMIT, DataFormat, ForecastData
from trainer.formats.source import Source
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.dialect import Head, Kind, read_head
from trainer.job.errors import DataError, JobError, UsageError
from trainer.storage.framing import is_framed


def read(data: ForecastData, memory_limit: int = MEMORY_LIMIT, cache: DownloadCache | None = None) -> Source:
    """The data of a job, read and checked.

    Args:
      data: which files, and how they are to be read.
      memory_limit: bytes, uncompressed, up to which a part of the data is held in memory.
      cache: where copies of files in buckets go; None makes one for them.

    Raises:
      UsageError: settings that contradict each other or the data.
      DataError: the first fault in the files.
    """
    if data.data_format is DataFormat.TABLE:
        raise UsageError(
            "--data_format=table with a problem that forecasts",
            "auto, sequences, series or examples",
            "Leave --problem out, whose default for tables is a problem that is made for them",
        )
    if data.train_data_paths:
        source = _files(data, memory_limit, cache or DownloadCache(data.data_cache_dir))
    else:
        source = _sines(data)
    _check_batches(data, source)
    return source


def locate_fault(source: Source, message: str) -> JobError | None:
    """What is behind a `tf.errors.InvalidArgumentError` of the input pipeline, which knows neither file nor line.

    Every streamed file is read to its end to name the first fault; what is in memory was checked when it was read.

    Args:
      source: what the pipeline reads.
      message: the text of that error.

    Returns:
      A DataError, or why a file of a bucket could not be fetched; None when the data are not to blame.

    Raises:
      JobError: a bucket that cannot be read now.
    """
    if failure := fetching.failure(message):
        return failure
    try:
        for part in (source.train, source.evaluation):
            if isinstance(part, WindowStream):
                for _ in part.blocks(4096):
                    pass
    except DataError as fault:
        return fault
    return None


def _sines(data: ForecastData) -> Source:
    if data.data_format not in (DataFormat.AUTO, DataFormat.SEQUENCES):
        raise UsageError(
            f"--data_format={data.data_format.value} without --train_data_paths",
            None,
            "Name the files, or leave --data_format out",
        )
    sequences.check_settings(data)
    steps = data.sequence_length - data.horizon
    train, evaluation = (of_rows(rows, steps, data.horizon) for rows in sines.rows(data.sequence_length))
    return sequences.in_parts(data, train, evaluation)


def _files(data: ForecastData, memory_limit: int, cache: DownloadCache) -> Source:
    train = named.resolve(data.train_data_paths, "train_data_paths", cache)
    evaluation = named.resolve(data.eval_data_paths, "eval_data_paths", cache)
    chosen = _format(train[0], data) if data.data_format is DataFormat.AUTO else data.data_format
    if not evaluation and chosen is not DataFormat.SERIES:
        raise UsageError(
            f"--train_data_paths names {chosen.value}, and there is no --eval_data_paths",
            "files for evaluation beside those for training (only a series is split by itself)",
            "Set --eval_data_paths",
        )
    bad = BadRows(data)
    match chosen:
        case DataFormat.SERIES:
            _reject_records(train, chosen)
            long.check_settings(data)
            return long.source(data, train, evaluation, memory_limit, bad)
        case DataFormat.EXAMPLES:
            return examples.source(data, train, evaluation, memory_limit, bad)
        case _:
            _reject_records(train, chosen)
            return sequences.source(data, train, evaluation, memory_limit, bad)


def _format(path: str, data: ForecastData) -> DataFormat:
    """What a file holds, by its first bytes and rows."""
    if is_framed(contents.head(path, 12)):
        return DataFormat.EXAMPLES
    found = read_head(path, contents.first_lines(path))
    if _is_long_table(found, data):
        return DataFormat.SERIES
    return DataFormat.SEQUENCES


def _is_long_table(found: Head, data: ForecastData) -> bool:
    """A header, only words, or dates beside numbers: what is missing there, reading it as a series will say."""
    kinds = [found.dialect.kind(field) for field in found.first]
    if found.has_header:
        few_texts = kinds[0] is Kind.NUMBER and kinds.count(Kind.TEXT) * 2 <= len(kinds)
        return not (few_texts and len(kinds) == data.sequence_length)
    return Kind.DATE in kinds or set(kinds) == {Kind.TEXT}


def _reject_records(paths: tuple[str, ...], chosen: DataFormat) -> None:
    for path in paths:
        if is_framed(contents.head(path, 12)):
            raise DataError(
                f"{path} is a TFRecord file, and --data_format={chosen.value}",
                "CSV files",
                "Set --data_format=examples",
            )


def _check_batches(data: ForecastData, source: Source) -> None:
    """Raises DataError when the requested epochs do not fill one batch."""
    if not isinstance(source.train, Windows) or data.num_epochs is None:
        return
    if source.train.count * data.num_epochs < data.train_batch_size:
        raise DataError(
            f"--num_epochs={data.num_epochs} of {source.train.count} examples fill no batch of {data.train_batch_size}",
            "at least one full batch",
            f"Set --train_batch_size={source.train.count * data.num_epochs} or less, or more --num_epochs",
        )
