"""What reading the data gives: the schema, and the parts for training, evaluation and test."""

from __future__ import annotations

import dataclasses

from trainer.formats.streams import Stream
from trainer.formats.windows import Windows
from trainer.job.config import DataFormat
from trainer.job.schema import Schema

Part = Windows | Stream


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Data that were read and checked; `format` is never AUTO, and `test` is None when the data have no such part."""

    format: DataFormat
    schema: Schema
    train: Part
    evaluation: Part
    test: Part | None = None
