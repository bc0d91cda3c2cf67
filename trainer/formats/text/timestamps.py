"""Texts that stand for a time, as numbers: which columns hold them, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from trainer.formats.text.dialect import Head, Kind

TIME_NAMES = frozenset({"date", "time", "timestamp", "datetime"})
_EPOCH_NAME = re.compile(
    r"(?:.*[_ ])?(?:unix|epoch|utc|ts|time|timestamp|unixtime|datetime)(?:[_ ].*)?\Z", re.IGNORECASE
)
_EPOCH_UNITS = (1.0, 1e3, 1e6, 1e9)
"""Counts since 1970 are told apart by their size: seconds, milliseconds, microseconds, nanoseconds."""
_EARLIEST, _LATEST = 1e8, 4.2e9
_FIRST_YEAR, _LAST_YEAR = 1000, 2999
_LARGEST = 1e30
_MOSTLY = 0.9
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}")
_DOTTED_CLOCK = re.compile(r"(?:[01]?[0-9]|2[0-3])\.[0-5][0-9]\.[0-5][0-9]\Z")
_CLOCK_NAME = re.compile(r"time|hour|clock|zeit|uhr|heure|hora", re.IGNORECASE)
PATTERN = re.compile(
    r"^([0-9]{1,4})[-/.]([0-9]{1,2})(?:[-/.]([0-9]{1,4}))?"
    r"(?:[T ]+([0-9]{1,2})(?:[:.]([0-9]{2})(?:[:.]([0-9]{2})(?:[.,]([0-9]+))?)?)?(?: ?([AaPp])[Mm])?"
    r"(?: ?(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?)?$",
    re.MULTILINE,
)
"""A date in numbers: its three parts, hour, minute, second, fraction, a or p of am and pm, zone."""
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?)?\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_SECS = 86_400.0
_CHUNK = 100_000


def columns(head: Head) -> tuple[int, ...]:
    """The positions of the fields that together say when a row was: one, a day and a clock, or none."""
    dates = [at for at in range(len(head.first)) if _share(head, at, Kind.DATE) >= _MOSTLY]
    days = [at for at in dates if not _is_clock(head, at)]
    if not days:
        return tuple(at for at in range(len(head.first)) if is_time_number(head, at))[:1]
    first = days[0]
    if any(":" in row[first] for row in head.sample):
        return (first,)
    clocks = [at for at in range(len(head.first)) if (at in dates and _is_clock(head, at)) or _is_hour(head, at)]
    return (first, *clocks[:1])


def is_time_number(head: Head, column: int) -> bool:
    """Whether a column of numbers says when its row was: by its name, or by name and values."""
    name = head.first[column].strip()
    if _share(head, column, Kind.NUMBER) < _MOSTLY:
        return False
    if name.lower() in TIME_NAMES:
        return True
    numbers = [
        float(head.dialect.plain(row[column])) for row in head.sample if head.dialect.kind(row[column]) is Kind.NUMBER
    ]
    if name.lower() == "year":  # one row a year; where it says the year of months or days it is a number like others
        return len(set(numbers)) == len(numbers) and all(_FIRST_YEAR <= number <= _LAST_YEAR for number in numbers)
    if not _EPOCH_NAME.match(name):
        return False
    return any(all(_EARLIEST * unit <= number <= _LATEST * unit for number in numbers) for unit in _EPOCH_UNITS)


def _share(head: Head, column: int, kind: Kind) -> float:
    return sum(head.dialect.kind(row[column]) is kind for row in head.sample) / max(1, len(head.sample))


def _is_clock(head: Head, column: int) -> bool:
    times = [row[column] for row in head.sample if head.dialect.kind(row[column]) is Kind.DATE]
    named = bool(_CLOCK_NAME.search(head.first[column]))  # 18.00.00 is six o'clock in a column that says so
    return all(_CLOCK.match(time) or (named and _DOTTED_CLOCK.match(time)) for time in times)


def _is_hour(head: Head, column: int) -> bool:
    hours = {str(hour) for hour in range(24)}
    return head.first[column].lower() in ("hour", "hr") and all(
        (row[column].lstrip("0") or "0") in hours for row in head.sample
    )


def read(texts: Sequence[str]) -> np.ndarray:
    """Seconds since 1970, float64 [texts]; nan for what is no time.

    1.2.2020 and 1-2-2020 are in February unless some number says otherwise; of 1/2/2020 the reading counts in which
    times go back less often and are nearer to each other.
    Plain numbers are counts since 1970 (or 20200131), and else taken as they are.
    """
    fast = _iso(texts)
    if fast is not None:
        return fast
    numbers = _numbers(texts)
    if numbers is not None:
        return numbers
    return min((_dates(texts, month_first) for month_first in orders(texts)), key=_disorder)


def in_numbers(texts: Sequence[str], month_first: bool) -> np.ndarray:
    """Seconds since 1970 of dates written in numbers alone, float64 [texts]; nan for any other text.

    Args:
      texts: as `PATTERN` has them.
      month_first: whether 1/2/2020 is in January.
    """
    found = PATTERN.findall("\n".join(texts))
    if len(found) == len(texts):
        return _from_numbers(found, month_first)
    matches = [PATTERN.findall(text) for text in texts]
    return np.array([float(_from_numbers(match, month_first)[0]) if match else np.nan for match in matches])


def _dates(texts: Sequence[str], month_first: bool) -> np.ndarray:
    """Days and clocks that occur often are read once each."""
    parts = [text.partition(" ") for text in texts]
    days, clocks = ({part[at] for part in parts} for at in (0, 2))
    if 2 * (len(days) + len(clocks)) < len(texts):
        of_day = dict(zip(days, _each(list(days), month_first), strict=True))
        of_clock = dict(
            zip(clocks, _each([f"1970-01-01 {clock}".strip() for clock in clocks], month_first), strict=True)
        )
        found = np.array([of_day[day] + of_clock[clock] for day, _, clock in parts])
        if np.isnan(found).mean() < 1 - _MOSTLY:
            return found
    return _each(texts, month_first)


def _each(texts: Sequence[str], month_first: bool) -> np.ndarray:
    chunks = [texts[at : at + _CHUNK] for at in range(0, len(texts), _CHUNK)]
    return np.concatenate([_chunk(list(chunk), month_first) for chunk in chunks]) if chunks else np.empty(0)


def _disorder(times: np.ndarray) -> tuple[int, float]:
    """How often times go back, and the time from the first to the last: both are small where dates are read right."""
    known = times[~np.isnan(times)]
    return int((np.diff(known) < 0).sum()), float(np.ptp(known)) if len(known) else 0.0


def _iso(texts: Sequence[str]) -> np.ndarray | None:
    """By numpy, which reads 2020-01-31 12:00:00 ten times as fast; None for any other writing."""
    if not texts or not all(map(_ISO.match, texts)):
        return None
    try:
        stamps = np.array(texts, dtype="datetime64[us]")
    except ValueError:  # the thirtieth of February
        return None
    return np.asarray(stamps.astype(np.int64) / 1e6)


def _numbers(texts: Sequence[str]) -> np.ndarray | None:
    """Counts since 1970 in seconds, days for 20200131, or the numbers themselves; None where most are none."""
    if np.isnan([_number(text) for text in texts[:100]]).mean() > 1 - _MOSTLY:
        return None
    numbers = np.array([_number(text) for text in texts])
    known = numbers[~np.isnan(numbers)]
    if len(known) < _MOSTLY * len(texts) or not len(known):
        return None
    for unit in _EPOCH_UNITS:
        if known.min() >= _EARLIEST * unit and known.max() <= _LATEST * unit:
            return numbers / unit
    if known.min() >= 19000101 and known.max() <= 21001231 and all(len(text) == 8 for text in texts[:100]):
        return _civil(numbers // 10000, numbers // 100 % 100, numbers % 100)
    return numbers


def _number(text: str) -> float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return np.nan
    return number if abs(number) < _LARGEST else np.nan


def orders(texts: Sequence[str]) -> tuple[bool, ...]:
    """Whether months come before days: both are tried where slashes leave it open."""
    first = second = 0
    slashes = False
    for text in texts:
        match = re.match(r"([0-9]{1,2})([-/.])([0-9]{1,2})[-/.]", text)
        if match:
            first, second = max(first, int(match[1])), max(second, int(match[3]))
            slashes = slashes or match[2] == "/"
    if max(first, second) > 12:
        return (second > 12,)
    return (True, False) if slashes else (False,)


def _chunk(texts: list[str], month_first: bool) -> np.ndarray:
    found = PATTERN.findall("\n".join(texts))
    if len(found) == len(texts):
        return _from_numbers(found, month_first)
    return np.array([_slowly(text, month_first) for text in texts])


def _slowly(text: str, month_first: bool) -> float:
    found = PATTERN.findall(text)
    return float(_from_numbers(found, month_first)[0]) if found else _named(text)


def _from_numbers(found: list[tuple[str, ...]], month_first: bool) -> np.ndarray:
    """Seconds since 1970 of matches of `PATTERN`, float64 [matches]; nan for what is in no calendar."""
    fields = np.array(found, dtype=object)
    one, two, three = (_integers(fields[:, at], missing=1) for at in range(3))
    year_first = np.array([len(text) == 4 for text in fields[:, 0]])
    year = np.where(year_first, one, three)
    year = np.where(year < 70, year + 2000, np.where(year < 100, year + 1900, year))
    dotted_month, dotted_day = (one, two) if month_first else (two, one)
    month = np.where(year_first, two, dotted_month)
    day = np.where(year_first, three, dotted_day)
    hour, minute, second = (_integers(fields[:, at], missing=0) for at in (3, 4, 5))
    afternoon = np.array([text in ("p", "P") for text in fields[:, 7]])
    twelve_hours = np.array([text != "" for text in fields[:, 7]])
    hour = np.where(twelve_hours, hour % 12 + 12 * afternoon, hour)
    part = np.array([float(f"0.{text}") if text else 0.0 for text in fields[:, 6]])
    zone = np.array([_zone(text) for text in fields[:, 8]])
    valid = (hour <= 24) & (minute < 60) & (second <= 60)
    clock = 3600.0 * hour + 60.0 * minute + second + part - zone
    return np.where(valid, _civil(year, month, day) + clock, np.nan)


def _integers(texts: np.ndarray, missing: int) -> np.ndarray:
    return np.array([int(text) if text else missing for text in texts], dtype=np.float64)


def _zone(text: str) -> float:
    if not text or not text[1:2].isdigit():
        return 0.0
    digits = text[1:].replace(":", "")
    return (-1 if text[0] == "-" else 1) * (3600.0 * int(digits[:2]) + 60.0 * int(digits[2:4]))


def _civil(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Seconds from 1970 to a day, float64; nan where there is no such day."""
    valid = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = (np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1
    starts = months.astype(np.int64).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    ends = (months.astype(np.int64) + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    valid &= day <= ends - starts
    return np.where(valid, (starts + day - 1) * _DAY_SECS, np.nan)


def _named(text: str) -> float:
    """Seconds since 1970 of 1960Q1, Jan 2, 2020, 01-Jan-20, January 2020; nan for anything else."""
    if quarter := re.match(r"([0-9]{4})[- ]?Q([1-4])\Z", text):
        return _day(int(quarter[1]), 3 * int(quarter[2]) - 2, 1)
    words = re.findall(r"[A-Za-z]+|[0-9]+", text)
    months = [word for word in words if word[:3].lower() in _MONTHS]
    numbers = [int(word) for word in words if word.isdigit()]
    if len(months) != 1 or not 1 <= len(numbers) <= 2 or len(words) != len(numbers) + 1:
        return np.nan
    month, year = _MONTHS.index(months[0][:3].lower()) + 1, numbers[-1]
    year += 0 if year >= 100 else 2000 if year < 70 else 1900
    return _day(year, month, numbers[0] if len(numbers) == 2 else 1)


def _day(year: int, month: int, day: int) -> float:
    return float(_civil(np.array([year]), np.array([month]), np.array([day]))[0])
