"""What reading the data gives: their schema, with the parts for training, evaluation and test."""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer.formats.pipeline.streams import WindowStream
from trainer.formats.pipeline.windows import Windows
from trainer.formats.schema import Schema
from trainer.formats.settings import DataFormat
from trainer.formats.text.bad_rows import BadRow

Part = Windows | WindowStream


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Source(Schema):
    """Data that were read and checked.

    Attributes:
      format: of the files; never AUTO.
      train: the examples to train on.
      evaluation: those to evaluate on.
      test: those that are looked at once, at the end; None where the data have no such part.
      left_out: rows that could not be read, and are in none of the parts.
    """

    format: DataFormat
    train: Part
    evaluation: Part
    test: Part | None = None
    left_out: tuple[BadRow, ...] = ()

    @classmethod
    def of(cls, schema: Schema, **parts: Any) -> Source:
        """The data of a schema, whose type all parts take."""
        for name, part in parts.items():
            if isinstance(part, Windows | WindowStream):
                parts[name] = dataclasses.replace(part, dtype=schema.dtype)
        return cls(**vars(schema), **parts)
