"""Values that stand for no value: blank fields, words such as NA, numbers such as -9999."""

from __future__ import annotations

import dataclasses
import logging
import re

import numpy as np

from trainer.formats.text.dialect import MISSING, Dialect

_log = logging.getLogger(__name__)

_FAR_DEVIATIONS = 20.0
_REPEATED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Missing:
    """What stands for no value in a file.

    Attributes:
      texts: in lower case, the customary ones among them.
      numbers: likewise, however they are written.
    """

    texts: frozenset[str]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, texts: tuple[str, ...]) -> Missing | None:
        """Those of `--missing_values` beside the customary ones; None where the flag is left out."""
        if not texts:
            return None
        plain = Dialect()
        numbers = tuple(float(text) for text in texts if plain.is_number(text))
        return cls(texts=MISSING | {text.lower() for text in texts}, numbers=numbers)

    def is_none(self, field: str) -> bool:
        """Whether a field stands for no value."""
        return field.lower() in self.texts

    def blanked(self, text: str, separator: str | None) -> str:
        """Lines with `nan` for every field that is none of the numbers; only for lines without quotes."""
        words = "|".join(re.escape(word) for word in sorted(self.texts, key=len, reverse=True) if word)
        if separator is None:
            return re.sub(rf"(?<![^\s])(?:{words})(?![^\s])", "nan", text, flags=re.IGNORECASE)
        mark = re.escape(separator)
        field = rf"(?:(?<=^)|(?<={mark}))[ \t]*(?:{words})?[ \t]*(?={mark}|$)"
        return re.sub(field, "nan", text, flags=re.IGNORECASE | re.MULTILINE)

    def without(self, numbers: np.ndarray) -> np.ndarray:
        """The same array, with nan where a number stands for no value."""
        for number in self.numbers:
            numbers[numbers == number] = np.nan
        return numbers


def tell_sentinels(names: tuple[str, ...], table: np.ndarray) -> None:
    """Says which columns have an extreme that is repeated and far from all the rest, such as -9999.

    Args:
      names: of the columns.
      table: float64 [rows, columns].
    """
    for name, column in zip(names, table.T, strict=True):
        known = column[~np.isnan(column)]
        for word, extreme in (("minimum", known.min()), ("maximum", known.max())) if len(known) else ():
            rest = known[known != extreme]
            count = len(known) - len(rest)
            if count < _REPEATED or not len(rest):
                continue
            distance = abs(extreme - rest.mean())
            if distance > _FAR_DEVIATIONS * rest.std() and rest.std() > 0:
                _log.warning(
                    "Column %s: its %s %g occurs %s times, %.3g deviations from the mean of the other values; "
                    "if it stands for no value, set --missing_values=%g.",
                    name,
                    word,
                    extreme,
                    f"{count:,}",
                    distance / rest.std(),
                    extreme,
                )
