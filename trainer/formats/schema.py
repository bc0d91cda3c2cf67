"""What the data look like to a model: shapes, names and scales, learned before TensorFlow is imported."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schema:
    """Shapes and units of the examples that an input function yields.

    Features are `{"values": [batch, steps, len(columns)]}`, labels `[batch, horizon, len(targets)]`, both of `dtype`
    and in the units of the files. A model standardises with `mean` and `scale`, and works on in float32.

    Attributes:
      steps: rows of history in an example.
      columns: names of the feature columns.
      horizon: rows to forecast.
      targets: names of the target columns; for `series` and `sequences` each of them is among `columns`.
      mean: one value a feature column, of the training part; zeros when not standardised.
      scale: one value a feature column, population deviation of the training part (1 for a constant column);
        ones when not standardised.
      period: rows after which a series repeats itself; None where that is not known.
      naive_errors: for each target the mean distance of its values in training from those a period before, or one row
        before without a period; empty where that is not known.
      dtype: "float64" for values so far from zero that float32 would lose what they have to say, else "float32".
    """

    steps: int
    columns: tuple[str, ...]
    horizon: int
    targets: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    dtype: str = "float32"
    period: int | None = None
    naive_errors: tuple[float, ...] = ()

    @property
    def target_indices(self) -> tuple[int, ...] | None:
        """Positions of the targets among the columns; None when a target is not a feature column."""
        if not set(self.targets) <= set(self.columns):
            return None
        return tuple(self.columns.index(target) for target in self.targets)

    @property
    def standardized(self) -> bool:
        """Whether means and scales change anything."""
        return any(self.mean) or any(scale != 1.0 for scale in self.scale)
