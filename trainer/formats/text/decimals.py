"""Decimal numbers out of the bytes of a text, thousands at a time: each becomes the float64 that is nearest to it.

Eight digits are read at once, as in simdjson (Langdale and Lemire 2019), out of a word in which they stand:

    ",-12.5"  ─→  "…  12.5"  ─→  "…   125"  ─→  125  ─→  -125 / 10

A number of up to 2^53 times or through a power of ten of up to 10^22 is rounded once, and so exact (Clinger 1990). For
longer ones x87's numbers of 64 bits do the same, but where they end halfway between two float64, which is told.
"""

from __future__ import annotations

import dataclasses

import numpy as np

PADDING = b"0" * 31 + b"\n"
"""Has to stand before a text, for words are read that begin before the field."""
_WORD = 8
_EASY_DIGITS, _LONGEST = 7, 19
_EXACT, _EXACT_POWER, _EXACT_LONG_POWER = 2**53, 22, 27
_HALFWAY, _TAIL = 0x400, 0x7FF
_MINUS, _PLUS, _BLANK, _SMALL, _LARGE = map(ord, "-+ eE")

# Of a word, little-endian: the digits at its end as numbers from 0 to 9, and the bytes at its end.
_DIGITS = np.array([int.from_bytes(bytes(_WORD - n) + b"\x0f" * n, "little") for n in range(_WORD + 1)], np.uint64)
_BYTES = np.array([int.from_bytes(bytes(_WORD - n) + b"\xff" * n, "little") for n in range(_WORD + 1)], np.uint64)
_POWERS = np.array([10**n for n in range(_LONGEST + 1)], np.uint64)
_SIGNED_POWERS = np.concatenate([10.0 ** np.arange(_WORD), -(10.0 ** np.arange(_WORD))])
_FLOAT_POWERS = np.array([float(10**n) for n in range(_EXACT_POWER + 1)])
_LONG_POWERS = np.cumprod(np.array([1] + [10] * _EXACT_LONG_POWER, np.longdouble))
_HAS_X87 = np.finfo(np.longdouble).nmant == 63 and np.dtype(np.longdouble).itemsize == 16


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fields:
    """Where fields stand in a text, int32 [fields] each.

    Attributes:
      start: of their first byte.
      end: behind their last byte.
      last: of the last byte in them that is no digit; of the byte before them where all are.
      inner: bytes in them that are no digits.
    """

    start: np.ndarray
    end: np.ndarray
    last: np.ndarray
    inner: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Fields:
        """Some of them, by their numbers."""
        return Fields(start=self.start[chosen], end=self.end[chosen], last=self.last[chosen], inner=self.inner[chosen])


def read(text: np.ndarray, fields: Fields, point: str = ".") -> tuple[np.ndarray, np.ndarray]:
    """The numbers in fields, as far as they are plain: digits with a sign, a point and an exponent at the most.

    Args:
      text: uint8, of which the first bytes are PADDING.
      fields: where they stand; none longer than 2^31.
      point: the decimal sign.

    Returns:
      float64 [fields], and the numbers of those fields that are not plain or not exact, ascending, whose values are
      undefined.
    """
    words = np.ndarray((len(text) - _WORD + 1,), "<u8", text, 0, (1,))
    values, is_read = _short(words, text, fields, ord(point))
    left = np.flatnonzero(~is_read)
    if len(left):
        values[left], is_read = _long(words, text, fields[left], ord(point))
        left = left[~is_read]
    return values, left


def _short(words: np.ndarray, text: np.ndarray, fields: Fields, point: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of up to seven digits without an exponent, float64 [fields], and which are, bool [fields].

    Args:
      words: uint64, the eight bytes from each byte of the text on.
      text: uint8.
      fields: where they stand.
      point: the decimal sign.
    """
    has_point, fraction = text.take(fields.last) == point, fields.end - fields.last - np.int32(1)
    first = text.take(fields.start)
    is_negative = first == _MINUS
    marks = _as_int(has_point) + _as_int(is_negative | (first == _PLUS))
    digits = fields.end - fields.start - marks
    is_read = (marks == fields.inner) & ((digits - np.int32(1)).view(np.uint32) < _EASY_DIGITS)
    found = words[fields.end - np.int32(_WORD)]
    shifted = found << np.uint64(8)  # what stands before the point moves on by one place, over it
    found ^= shifted
    found &= _BYTES.take(fraction, mode="clip")  # of what is not read, these are of any length
    found ^= shifted
    found &= _DIGITS.take(digits, mode="clip")
    divisor = fraction * _as_int(has_point) + _as_int(is_negative) * np.int32(_WORD)
    return _number(found).view(np.int64) / _SIGNED_POWERS.take(divisor, mode="clip"), is_read


def _as_int(flags: np.ndarray) -> np.ndarray:
    return flags.view(np.uint8).astype(np.int32)


def _number(digits: np.ndarray) -> np.ndarray:
    """The numbers of words of eight digits, the first in the lowest byte; uint64 [n], in the place of the words."""
    for factor, bits, mask in (
        (10 * 2**8 + 1, 8, 0x00FF00FF00FF00FF),
        (100 * 2**16 + 1, 16, 0x0000FFFF0000FFFF),
        (10_000 * 2**32 + 1, 32, 0xFFFFFFFF),
    ):
        digits *= np.uint64(factor)
        digits >>= np.uint64(bits)
        digits &= np.uint64(mask)
    return digits


def _digits(words: np.ndarray, end: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The numbers of up to 19 digits, uint64 [fields].

    Args:
      words: as for `_short`.
      end: int32 [fields], behind their last digit.
      length: int32 [fields], how many digits there are.
    """
    found = np.zeros(len(end), np.uint64)
    for word in reversed(range(-(-int(length.max(initial=0)) // _WORD))):
        there = np.clip(length - np.int32(word * _WORD), 0, _WORD)
        found = found * _POWERS[_WORD] + _number(words[end - np.int32((word + 1) * _WORD)] & _DIGITS.take(there))
    return found


def _long(words: np.ndarray, text: np.ndarray, fields: Fields, point: int) -> tuple[np.ndarray, np.ndarray]:
    """As `_short`, for numbers of up to 19 digits, with an exponent, and with a blank before them."""
    start, last = fields.start + _as_int(text[fields.start] == _BLANK), fields.last
    first, mark, before = text[start], text[last], text[last - 1]
    is_negative = first == _MINUS
    is_signed = _as_int((is_negative | (first == _PLUS)) & (start < fields.end))
    start, blanks = start + is_signed, start - fields.start
    # An exponent is e5 or e-05, whose mark is the last one or the one before.
    is_bare = (mark | 0x20) == _SMALL
    has_sign = ((mark == _MINUS) | (mark == _PLUS)) & ((before | 0x20) == _SMALL) & (last > start)
    has_exponent = is_bare | has_sign
    stop = np.where(has_exponent, last - has_sign, fields.end)
    of_exponent = np.where(has_exponent, fields.end - last - np.int32(1), 0)
    # Behind a mantissa with an exponent the point is not the last mark: it is taken where such numbers have it.
    behind_first = np.minimum(start + np.int32(1), fields.end)
    at_point = np.where(has_exponent, behind_first, last)
    has_point = (text[at_point] == point) & (at_point < stop) & (at_point >= start)
    whole = np.where(has_point, at_point, stop) - start
    fraction = np.where(has_point, stop - at_point - np.int32(1), 0)
    marks = blanks + is_signed + has_exponent + has_sign + has_point
    is_read = (marks == fields.inner) & (whole >= 0) & (whole + fraction > 0) & (whole + fraction <= _LONGEST)
    is_read &= np.where(has_exponent, (of_exponent > 0) & (of_exponent <= 3), True)
    whole, fraction, of_exponent = (np.where(is_read, n, 0) for n in (whole, fraction, of_exponent))
    mantissa = _digits(words, start + whole, whole) * _POWERS.take(fraction) + _digits(words, stop, fraction)
    exponent = _digits(words, fields.end, of_exponent).astype(np.int32)
    values, is_exact = _scaled(mantissa, np.where(mark == _MINUS, -exponent, exponent) - fraction)
    return np.where(is_negative, -values, values), is_read & is_exact


def _scaled(mantissa: np.ndarray, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The float64 [n] that are nearest to mantissa · 10^power, and whether they are known to be, bool [n].

    Args:
      mantissa: uint64 [n].
      power: int32 [n].
    """
    size = np.abs(power)
    factor = _FLOAT_POWERS.take(np.minimum(size, _EXACT_POWER))
    values = mantissa.astype(np.float64)
    values = np.where(power < 0, values / factor, values * factor)
    is_exact = (mantissa <= _EXACT) & (size <= _EXACT_POWER)
    left = np.flatnonzero(~is_exact & (size <= _EXACT_LONG_POWER)) if _HAS_X87 else ()
    if len(left):
        longer, factor = mantissa[left].astype(np.longdouble), _LONG_POWERS[size[left]]
        longer = np.where(power[left] < 0, longer / factor, longer * factor)
        values[left] = longer
        is_exact[left] = (longer.view(np.uint64)[::2] & _TAIL) != _HALFWAY
    return values, is_exact
