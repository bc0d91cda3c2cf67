"""What the rows of training say about a table, as its weights and its exports depend on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from trainer.formats.tables.settings import Task

FLOAT32_RATIO = 1e3
"""Mean over deviation up to which float32 keeps a value to a ten-thousandth of the deviation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSchema:
    """The columns of a table. All fields are plain values, which checkpoints note.

    Attributes:
      label: name of the label column.
      task: regression, binary or multiclass.
      classes: of the label, by their numbers; the second of two is the positive one. Empty in a regression.
      class_shares: of the rows of training, for each class.
      label_mean: of the label in training; 0 for classes.
      label_scale: its deviation; 1 for classes.
      columns: names of the feature columns, in the order of the files.
      numbers: for each column of numbers or dates its mean, scale (deviation, 1 for a constant) and median, and whether
        it has blanks (1.0) in training. Dates count in days since 1970.
      vocabularies: for each category its values, a line each, the most frequent first.
      dates: for each column of dates how they are written: `day` or `month` is what comes first where the year does
        not; with ` clock` behind it where they have a time of day.
      oov_buckets: ids for values that are in no vocabulary.
      missing_texts: what stands for no value, in small letters, beside a blank.
      missing_numbers: likewise, in columns of numbers.
    """

    label: str
    task: str
    classes: tuple[str, ...] = ()
    class_shares: tuple[float, ...] = ()
    label_mean: float = 0.0
    label_scale: float = 1.0
    columns: tuple[str, ...]
    numbers: Mapping[str, Mapping[str, float]]
    vocabularies: Mapping[str, str]
    dates: Mapping[str, str]
    oov_buckets: int
    missing_texts: tuple[str, ...] = ()
    missing_numbers: tuple[float, ...] = ()

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> TableSchema:
        """A schema of what JSON holds of it."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**values)

    @property
    def is_regression(self) -> bool:
        """Whether the label is a number."""
        return self.task == Task.REGRESSION.value

    @property
    def positive(self) -> str:
        """The class that precision and recall are of, where there are two."""
        return self.classes[1]

    def schema_fields(self) -> dict[str, Any]:
        """The fields of the schema alone, whatever extends it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(TableSchema)}

    def vocabulary(self, column: str) -> list[str]:
        """The values of a category that are known by themselves, the most frequent first."""
        text = self.vocabularies[column]
        return text.split("\n") if text else []

    def is_text(self, column: str) -> bool:
        """Whether clients send texts for a column, rather than numbers."""
        return column in self.vocabularies or column in self.dates

    def dtype(self, column: str) -> str:
        """The type in which a column of numbers travels until its mean is subtracted."""
        found = self.numbers[column]
        return "float64" if abs(found["mean"]) > FLOAT32_RATIO * found["scale"] else "float32"

    @property
    def plain_numbers(self) -> tuple[str, ...]:
        """Columns of numbers, without those of dates."""
        return tuple(column for column in self.numbers if column not in self.dates)

    @property
    def with_blanks(self) -> tuple[str, ...]:
        """Columns of numbers and dates that have an indicator of blanks."""
        return tuple(column for column, found in self.numbers.items() if found["blanks"])

    @property
    def number_names(self) -> tuple[str, ...]:
        """What the numbers are that a model gets, in their order."""
        return (*self.numbers, *(f"{column} is blank" for column in self.with_blanks))

    @property
    def category_sizes(self) -> dict[str, int]:
        """How many ids each category has that a model gets, in their order; id 0 is a blank."""
        sizes = {column: 1 + len(self.vocabulary(column)) + self.oov_buckets for column in self.vocabularies}
        for column, writing in self.dates.items():
            sizes |= {f"{column} month": 13, f"{column} weekday": 8}
            sizes |= {f"{column} hour": 25} if writing.endswith("clock") else {}
        return sizes
