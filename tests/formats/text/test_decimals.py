"""Numbers are read out of bytes as Python reads them, to the last bit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from trainer.formats.tables.plain_rows import PlainRows
from trainer.formats.text import decimals

WRITINGS = ("{:.5g}", "{:.6f}", "{:.2f}", "{:.0f}", "{!r}", "{:.18e}", "{:.7e}", "{:+.3f}", " {:.4f}", "{:.17g}")
ODD = [
    *("0", "-0", "0.0", "-0.0", "+0", "007", "1.", ".5", "-.5", "1e5", "1E+5", "1e-05", "-1.5e-3", "12.5e3", ".5e3"),
    *("9007199254740993", "18446744073709551615", "9999999999999999999", "99999999999999999999", "1e22", "1e23"),
    *("5e-324", "1.7976931348623157e308", "0.1234567890123456789", "0e999", "0.500000000000000166", "1e0005"),
    *("4503599627370497.5", "4503599627370496.5", "1152921504606846977e-3"),
]


def numbers(texts: list[str], other: object = float) -> np.ndarray:
    lines = "".join(f"{text},\n" for text in texts).encode()
    return PlainRows(lines, ",", 2).numbers([0], ".", other)[:, 0]  # type: ignore[arg-type]


def refuse(text: str) -> float:
    raise AssertionError(text)


@pytest.mark.parametrize("writing", WRITINGS)
def test_numbers_are_those_of_python_to_the_last_bit(writing: str) -> None:
    drawn = random.Random(1)
    texts = [writing.format(drawn.gauss(0, 1) * 10 ** drawn.randint(-3, 6)) for _ in range(3_000)]
    assert numbers(texts).tobytes() == np.array([*map(float, texts)]).tobytes()


@pytest.mark.parametrize("writing", WRITINGS[:4])
def test_short_numbers_are_all_read_at_once(writing: str) -> None:
    drawn = random.Random(2)
    numbers([writing.format(drawn.uniform(0.1, 1) * 10 ** drawn.randint(0, 6)) for _ in range(300)], refuse)


def test_odd_numbers_are_those_of_python() -> None:
    assert numbers(ODD).tobytes() == np.array([*map(float, ODD)]).tobytes()


def test_numbers_beside_the_middle_between_two_are_those_of_python() -> None:
    drawn = random.Random(3)
    middles = [2 * (drawn.getrandbits(52) | 1 << 52) + 1 + by for by in (0, 0, 0, -1, 1) for _ in range(200)]
    texts = [f"{middle}e-{drawn.randint(0, 9)}" for middle in middles] + [f"{n}.{n % 10}" for n in middles]
    assert numbers(texts).tobytes() == np.array([*map(float, texts)]).tobytes()


@pytest.mark.parametrize("text", ["NA", "-", "+", ".", "e5", "1e", "1.2.3", "--5", "1 5", "5-", "0x1", "1_0", "١"])
def test_what_is_no_number_is_left_to_the_caller(text: str) -> None:
    asked = []

    def other(field: str) -> float:
        asked.append(field)
        return 7.0

    assert numbers(["1", text, "2.5"], other).tolist() == [1.0, 7.0, 2.5]
    assert asked == [text]


def test_words_before_the_first_field_are_those_of_the_padding() -> None:
    text = np.frombuffer(decimals.PADDING + b"12345678901234567890\n", np.uint8)
    at = np.array([len(decimals.PADDING)], np.int32)
    fields = decimals.Fields(start=at, end=at + 19, last=at - 1, inner=at * 0)
    values, left = decimals.read(text, fields)
    assert values.tolist() == [1234567890123456789.0] and not left.size
