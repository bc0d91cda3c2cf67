"""The settings of a job: frozen dataclasses whose fields are the flags of `trainer.task`."""

from __future__ import annotations

import dataclasses
import enum


class DataFormat(enum.Enum):
    AUTO = "auto"
    SEQUENCES = "sequences"
    SERIES = "series"
    EXAMPLES = "examples"


def setting(default: object, help: str) -> dataclasses.Field:  # noqa: A002  (dataclasses.field returns what it is annotated as)
    """A field that becomes a flag with this help text."""
    return dataclasses.field(default=default, metadata={"help": help})  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data are and how examples are cut from them."""

    train_data_paths: tuple[str, ...] = ()
    eval_data_paths: tuple[str, ...] = ()
    data_format: DataFormat = DataFormat.AUTO
    sequence_length: int = 10
    horizon: int = 1
    lookback: int | None = None
    target_columns: tuple[str, ...] = ()
    feature_columns: tuple[str, ...] = ()
    split: tuple[float, ...] = (0.7, 0.1, 0.2)
    standardize: bool | None = None
    train_batch_size: int = 100
    eval_batch_size: int = 1000
    num_epochs: int | None = None
    seed: int | None = None
