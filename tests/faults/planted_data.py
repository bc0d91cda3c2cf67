"""Faults that are planted in the data of a series: each is refused or told, and none trains in silence.

    python -m tests.faults.planted_data [--files=100] [--seed=1]

Every kind of fault is planted in so many random series. It counts as named when an error or a line of the log gives
the place of the fault, or its column where it has no place.
"""

from __future__ import annotations

import argparse
import collections
import logging
import pathlib
import random
import tempfile
from collections.abc import Callable

import numpy as np

from trainer.formats import reading
from trainer.formats.pipeline.windows import Windows
from trainer.formats.settings import ForecastData
from trainer.job.errors import DataError

HEADER = "time,value\n"
Rows = list[tuple[str, str]]
"""Time and value of each row."""
Plant = Callable[[random.Random, Rows], tuple[Rows, str]]
"""Changes some rows; also gives the words that are to be found in the message."""


def clean(draw: random.Random) -> Rows:
    """A noisy sine, at a step of an hour, from some day on."""
    start = np.datetime64("2015-01-01T00:00") + np.timedelta64(draw.randrange(40_000), "h")
    count = draw.randrange(60, 400)
    times = (start + np.arange(count).astype("timedelta64[h]")).astype(str)
    values = [np.sin(row / 5) + 0.1 * draw.random() for row in range(count)]
    return [(time.replace("T", " "), f"{value:.4f}") for time, value in zip(times.tolist(), values, strict=True)]


def newest_first(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    return rows[::-1], "a.csv:2 to "


def moved(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    """A row that stands much too early: the one after it goes back in time."""
    late, early = draw.randrange(40, len(rows)), draw.randrange(1, 30)
    row = rows[late]
    return [*rows[:early], row, *rows[early:late], *rows[late + 1 :]], f"a.csv:{early + 3}:"


def repeated(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    at = draw.randrange(1, len(rows))
    return [*rows[:at], rows[at - 1], *rows[at:]], f"first {{folder}}/a.csv:{at + 2}."


def gap(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    at, width = draw.randrange(2, 40), draw.randrange(1, 15)
    return [*rows[:at], *rows[at + width :]], f"the first before {{folder}}/a.csv:{at + 2};"


def total(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    return [*rows, (draw.choice(("Total", "Sum", "Average")), "12.5")], f"a.csv:{len(rows) + 2}: "


def sentinels(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    changed, number = list(rows), draw.choice(("-9999", "-200", "9999"))
    for at in draw.sample(range(40), draw.randrange(3, 6)):
        changed[at] = (rows[at][0], number)
    return changed, f"--missing_values={number}."


def missing(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    at, changed = draw.randrange(len(rows)), list(rows)
    changed[at] = (rows[at][0], draw.choice(("", "NA", "?", "nan", "null")))
    return changed, f"a.csv:{at + 2}, column 2 (value): "


def word(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    at, changed = draw.randrange(len(rows)), list(rows)
    changed[at] = (rows[at][0], draw.choice(("oops", "1,5", "1_0", "inf", "0x1")))
    return changed, f"a.csv:{at + 2}"


def two_series(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    return [row for row in rows for _ in range(3)], "--series_id="


def far_from_zero(draw: random.Random, rows: Rows) -> tuple[Rows, str]:
    offset = draw.choice((10**7, 10**9, -(10**10)))
    return [(time, f"{offset + float(value):.4f}") for time, value in rows], "Column value: its mean"


PLANTS: tuple[Plant, ...] = (
    newest_first,
    moved,
    repeated,
    gap,
    total,
    sentinels,
    missing,
    word,
    two_series,
    far_from_zero,
)


class Lines(logging.Handler):
    """The warnings in the log. What is found in data without a fault, such as a period, is told as information."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def outcome(rows: Rows, words: str, folder: pathlib.Path) -> str:
    """refused, told, or silent; the first two only where the message has the words."""
    path, heard, log = folder / "a.csv", Lines(), logging.getLogger("trainer.formats")
    path.write_text(HEADER + "".join(f"{time},{value}\n" for time, value in rows))
    level = log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        source = reading.read(ForecastData(train_data_paths=(str(path),), lookback=3))
    except DataError as error:
        return "refused" if words in str(error) else f"refused for another reason: {error}"
    finally:
        log.removeHandler(heard)
        log.setLevel(level)
    assert isinstance(source.train, Windows)
    return "told" if any(words.format(folder=folder) in line for line in heard.lines) else "silent"


def campaign(files: int, seed: int) -> dict[str, collections.Counter[str]]:
    """What became of so many plants of each kind, by its name."""
    draw, found = random.Random(seed), {}
    with tempfile.TemporaryDirectory() as folder:
        for plant in PLANTS:
            planted = [plant(draw, clean(draw)) for _ in range(files)]
            found[plant.__name__] = collections.Counter(outcome(*each, pathlib.Path(folder)) for each in planted)
        untouched = [outcome(clean(draw), "", pathlib.Path(folder)) for _ in range(files)]
        found["untouched"] = collections.Counter(untouched)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.getLogger("trainer").propagate = False
    print("| fault | outcomes |\n|---|---|")
    for name, outcomes in campaign(arguments.files, arguments.seed).items():
        print(
            f"| {name.replace('_', ' ')} | {', '.join(f'{count} {word}' for word, count in outcomes.most_common())} |"
        )


if __name__ == "__main__":
    main()
