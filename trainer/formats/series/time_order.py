"""Whether the rows of a series ascend in time: refused, sorted, or told where time repeats itself or leaves a gap."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from trainer.formats.series.located_rows import Rows
from trainer.job.errors import DataError

_log = logging.getLogger(__name__)

_GAP = 1.5
_IRREGULAR = 0.05
_MOST_MISSING = 1e12
_HOUR_SECS = 3600.0
_CLOCK_CHANGES_PER_ROW = 1e-3
_SEVERAL = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps:
    """What the times of one series are like.

    Attributes:
      repeated: rows with the time of the row before them.
      gaps: rows before which some are missing.
      missing: how many rows those gaps would hold.
    """

    repeated: np.ndarray
    gaps: np.ndarray
    missing: int


def arranged(series: list[Rows], column: str, *, sort: bool) -> list[Rows]:
    """The series with their rows in the order of time.

    Args:
      series: the rows of each; those without times stay as they are.
      column: that says when a row was, for messages.
      sort: put them in order, instead of refusing.

    Raises:
      DataError: time goes back, or most times occur more than once.
    """
    if any(rows.times is None for rows in series):
        return series
    ordered = [_sorted(rows) if sort else rows for rows in series]
    moved = sum(int((rows.lines != each.lines).sum()) for rows, each in zip(series, ordered, strict=True))
    if moved:
        _log.info("Sorted by %s; rows that were at another place: %s.", column, f"{moved:,}")
    for rows in ordered:
        _check(rows, column)
    _tell(ordered, [steps(rows.times) for rows in ordered if rows.times is not None], column)
    return ordered


def _sorted(rows: Rows) -> Rows:
    assert rows.times is not None
    return rows.take(np.argsort(rows.times, kind="stable"))


def steps(times: np.ndarray) -> Steps:
    """Looks at times that ascend, float64 [rows]: a gap is more than one and a half times the usual step."""
    widths = np.diff(times)
    ahead = widths[widths > 0]
    usual = float(np.median(ahead)) if len(ahead) else 1.0
    gaps = np.flatnonzero(widths > _GAP * usual) + 1
    with np.errstate(over="ignore"):  # of numbers that are no times
        missing = int(np.minimum(np.round(widths[gaps - 1] / usual - 1), _MOST_MISSING).sum())
    return Steps(repeated=np.flatnonzero(widths == 0) + 1, gaps=gaps, missing=missing)


def _check(rows: Rows, column: str) -> None:
    """Raises DataError for rows that are in another order than that of time, and for several series in one."""
    assert rows.times is not None
    widths = np.diff(rows.times)
    back = np.flatnonzero(widths < 0) + 1
    accept = "rows from the oldest to the newest: their order decides what is trained on and what is tested"
    order = f"Set --sort={column} to put them in order, or --sort=none to take them as they are"
    if len(back) and not (widths > 0).any():
        raise DataError(f"{rows.place(0)} to {rows.place(len(rows) - 1)}: the newest row comes first", accept, order)
    distinct = len(np.unique(rows.times))
    if 1 < distinct < _SEVERAL * len(rows):
        raise DataError(
            f"{_first_repeated(rows)}: the same {column} again; {len(rows):,} rows have {distinct:,} different ones",
            "one row for each time",
            "If the table holds several series, name the column that tells them apart: --series_id=COLUMN; "
            "--sort=none takes the rows as they are",
        )
    if len(back) and not _clock_changes(widths, len(rows)):
        places = "" if len(back) == 1 else f", the first of {len(back):,} such places"
        raise DataError(
            f"{rows.place(int(back[0]))}: its {column} is before that of {rows.place(int(back[0]) - 1)}{places}",
            accept,
            order + ("; files are read in the order of their names" if len(rows.paths) > 1 else ""),
        )


def _first_repeated(rows: Rows) -> str:
    _, first = np.unique(np.asarray(rows.times), return_index=True)
    later = np.setdiff1d(np.arange(len(rows)), first)
    return rows.place(int(later[0]))


def _clock_changes(widths: np.ndarray, count: int) -> bool:
    """Whether time seldom goes back, and by an hour but for a step, as local clocks are set back in autumn."""
    back, ahead = widths[widths < 0], widths[widths > 0]
    usual = float(np.median(ahead)) if len(ahead) else 0.0
    by_an_hour = np.abs(back + _HOUR_SECS - usual) <= usual / 2
    return bool(by_an_hour.all() and len(back) <= 1 + _CLOCK_CHANGES_PER_ROW * count)


def _tell(series: list[Rows], found: list[Steps], column: str) -> None:
    """A line each about clocks that are set back, times that occur twice, and gaps."""
    back = [np.flatnonzero(np.diff(np.asarray(rows.times)) < 0) + 1 for rows in series]
    if any(map(len, back)):
        _log.warning("%s goes back by an hour, first at %s: a clock was set back.", column, _first(series, back))
    repeated = [each.repeated for each in found]
    if any(map(len, repeated)):
        same = f"Rows with the same {column} as the row before: {sum(map(len, repeated)):,}"
        _log.warning("%s, first %s.", same, _first(series, repeated))
    gaps = [each.gaps for each in found]
    if not any(map(len, gaps)):
        return
    longer, rows, missing = sum(map(len, gaps)), sum(map(len, series)), sum(each.missing for each in found)
    if longer > _IRREGULAR * rows:
        irregular = f"The steps of {column} are irregular: {longer:,} of {rows:,} are longer than usual"
        _log.info("%s, the first before %s.", irregular, _first(series, gaps))
    else:
        lacking = f"Gaps in {column}: {longer:,} (missing rows: {missing:,})"
        _log.warning("%s, the first before %s; windows reach over them.", lacking, _first(series, gaps))


def _first(series: list[Rows], places: list[np.ndarray]) -> str:
    """The place of the first of some rows of each series."""
    return next(rows.place(int(at[0])) for rows, at in zip(series, places, strict=True) if len(at))


def tell_overlap(training: list[Rows], later: list[Rows], column: str) -> None:
    """Says where rows to evaluate on are from before the end of those that are trained on.

    Args:
      training: the rows of each series.
      later: those to evaluate on.
      column: that says when a row was.
    """
    ends = [float(rows.times.max()) for rows in training if rows.times is not None and len(rows)]
    begins = [(float(rows.times.min()), rows) for rows in later if rows.times is not None and len(rows)]
    if ends and begins and min(begin for begin, _ in begins) <= max(ends):
        first = min(begins, key=lambda each: each[0])[1]
        _log.warning("The evaluation files begin before the training files end (%s, by %s).", first.place(0), column)
