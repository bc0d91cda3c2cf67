"""Data for weights that were trained before: their columns have to be the same, and their scales stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from trainer.formats.source import Source
from trainer.job.errors import UsageError

_FIXED = ("steps", "columns", "horizon", "targets")


def with_scales_of(source: Source, earlier: Mapping[str, Any]) -> Source:
    """The data, standardised with the means and scales that the weights know.

    Args:
      source: as described now.
      earlier: the fields of the schema that the weights were trained with, as JSON has them.

    Raises:
      UsageError: the data have other columns, or windows of other lengths.
    """
    for name in _FIXED:
        now = getattr(source, name)
        before = earlier.get(name, now)
        if list(now) != list(before) if isinstance(now, tuple) else now != before:
            raise UsageError(
                f"The data have {name}={_shown(now)}; the weights in the directory were trained on {_shown(before)}",
                "data with the same columns, and windows of the same length",
                "Choose them with --feature_columns, --target_columns, --lookback and --horizon, or take another "
                "--output_dir",
            )
    scales = {name: tuple(map(float, earlier[name])) for name in ("mean", "scale") if name in earlier}
    return dataclasses.replace(source, **scales)  # type: ignore[arg-type]


def _shown(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
