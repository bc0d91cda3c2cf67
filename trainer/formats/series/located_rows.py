"""The rows of the files of a series, with where each stands, when it was and which series it belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from trainer.formats.files.contents import plain_bytes
from trainer.formats.text import rows, timestamps
from trainer.formats.text.bad_rows import BadRows
from trainer.formats.text.rows import Layout
from trainer.job.errors import DataError

_MOSTLY = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows in some order.

    Attributes:
      paths: the files.
      numbers: float64 [rows, columns]; nan for a missing value, and all of a row that cannot be read.
      files: int64 [rows], which of the paths.
      lines: int64 [rows], where in it, from 1.
      times: float64 [rows], seconds since 1970 or what else ascends; None where no column says when a row was.
      ids: names of the series, [rows]; None where there is one.
    """

    paths: tuple[str, ...]
    numbers: np.ndarray
    files: np.ndarray
    lines: np.ndarray
    times: np.ndarray | None
    ids: np.ndarray | None

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.paths[self.files[row]]}:{self.lines[row]}"

    def take(self, index: np.ndarray) -> Rows:
        """Some of the rows, in the order of the index [n]."""
        return dataclasses.replace(
            self,
            numbers=self.numbers[index],
            files=self.files[index],
            lines=self.lines[index],
            times=None if self.times is None else self.times[index],
            ids=None if self.ids is None else self.ids[index],
        )

    def by_series(self) -> list[Rows]:
        """The rows of each series, in the order in which the series begin."""
        if self.ids is None:
            return [self]
        _, first, number = np.unique(self.ids, return_index=True, return_inverse=True)
        order = np.argsort(number, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
        return [self.take(groups[each]) for each in np.argsort(first)]


def check_size(paths: Sequence[str], memory_limit: int) -> None:
    """Raises DataError for more bytes of text than may be held in memory."""
    size = sum(plain_bytes(path) for path in paths)
    if size > memory_limit:
        raise DataError(
            f"A series of {size >> 20:,} MiB in {len(paths)} files",
            f"a series that fits in memory: up to {memory_limit >> 20:,} MiB of text",
            "Write it as sequences (a window a row) or as TFRecord examples, which are streamed",
        )


def read(layouts: Sequence[Layout], bad: BadRows, *, times: int) -> Rows:
    """Reads all files.

    Args:
      layouts: of each file; their texts are first those that together are a time, then the name of the series, if any.
      bad: takes the rows that cannot be read.
      times: how many of the texts are a time.

    Raises:
      DataError: the first fault in the files.
    """
    blocks = [(number, block) for number, layout in enumerate(layouts) for block in rows.blocks(layout, bad=bad)]
    texts = [_concatenated(block.texts[at] for _, block in blocks) for at in range(len(layouts[0].texts))]
    read_rows = Rows(
        paths=tuple(layout.path for layout in layouts),
        numbers=np.concatenate([block.numbers for _, block in blocks]),
        files=np.concatenate([np.full(len(block.lines), number) for number, block in blocks]),
        lines=np.concatenate([block.lines for _, block in blocks]),
        times=None,
        ids=np.array(texts[times]) if len(texts) > times else None,
    )
    bad.count(len(read_rows))
    if not times:
        return read_rows
    stamps = texts[0] if times == 1 else [" ".join(parts) for parts in zip(*texts[:times], strict=True)]
    return _timed(read_rows, stamps, bad)


def _concatenated(parts: Iterator[list[str]]) -> list[str]:
    return [text for part in parts for text in part]


def _timed(read_rows: Rows, stamps: list[str], bad: BadRows) -> Rows:
    """The rows with their times; a row without one counts as one that cannot be read."""
    times = timestamps.read(stamps)
    unknown = np.flatnonzero(np.isnan(times))
    if len(unknown) > (1 - _MOSTLY) * len(times):
        return read_rows
    numbers = read_rows.numbers.copy() if len(unknown) else read_rows.numbers
    for row in unknown.tolist():
        place, stamp = read_rows.place(row), stamps[row].strip()
        if stamp or not np.isnan(numbers[row]).all():
            what = f"{rows.shown(stamp)} where a date belongs" if stamp else "no date"
            error = DataError(f"{place}: {what}", "a date in every row", "Remove the row (a total?), or write its date")
            bad.meet(error, read_rows.paths[read_rows.files[row]], int(read_rows.lines[row]), place)
        numbers[row] = np.nan
    known = np.flatnonzero(~np.isnan(times))
    between = np.interp(np.arange(len(times)), known, times[known])
    timed = dataclasses.replace(read_rows, numbers=numbers, times=between)
    return timed if not len(unknown) else timed.take(np.arange(known[0], known[-1] + 1))
