"""PatchTST: a Transformer over patches of each series (Nie et al., ICLR 2023, arXiv 2211.14730)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from trainer.formats.schema import Schema
from trainer.job.config import Checked, setting
from trainer.job.errors import UsageError
from trainer.networks import channels
from trainer.networks.instance_norm import InstanceNorm
from trainer.networks.network import LONG_TERM, Network

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What may be chosen about PatchTST."""

    patch_length: int = setting(16, "rows in a patch of patchtst", positive="from 1 up")
    patch_stride: int = setting(8, "rows from one patch to the next", positive="from 1 up")
    patch_width: int = setting(16, "numbers that stand for a patch, a multiple of --patch_heads", positive="from 1 up")
    patch_heads: int = setting(4, "heads of its attention", positive="from 1 up")
    patch_layers: int = setting(3, "layers of its encoder", positive="from 1 up")
    patch_units: int = setting(128, "units of the dense layer in each of them", positive="from 1 up")
    patch_dropout: float = setting(0.3, "share of units that patchtst leaves out of a training step")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.patch_dropout < 1:
            raise UsageError(f"--patch_dropout={self.patch_dropout:g}", "at least 0 and below 1", "Try 0.3")
        if self.patch_width % self.patch_heads:
            got = f"--patch_width={self.patch_width} with --patch_heads={self.patch_heads}"
            raise UsageError(
                got, "a width that is a multiple of the heads", f"Set --patch_width={4 * self.patch_heads}"
            )


def forecast(values: tf.Tensor, schema: Schema, params: Settings, *, training: bool = False) -> tf.Tensor:
    """p = patches of x'; h = P p + e; layers h' = norm(h + A(h)), h'' = norm(h' + F(h')); y = W flat(h) + b.

    x' is each target's window scaled by its own mean and deviation, and repeated at its end for `stride` rows, so that
    there are ⌊(steps - length) / stride⌋ + 2 patches. A is attention with heads, to whose scores those of the layer
    before are added (He et al. 2020), F are two dense layers with a GELU between them, `norm` is a batch normalisation.
    All weights are the same for all targets.

    Args:
      values: float32 [batch, steps, columns], standardised.
      schema: says the steps, the horizon and the targets.
      params: with the sizes.
      training: whether units are left out, and batches normalised by themselves.

    Returns:
      float32 [batch, horizon, targets], standardised.
    """
    import keras
    import tensorflow as tf

    norm = InstanceNorm.of(history := channels.of_targets(values, schema), learnt=False)
    rows = tf.reshape(tf.transpose(norm.scaled(history), [0, 2, 1]), [-1, schema.steps])
    encoder = _Encoder(params, training=training)
    states = encoder.embedded(tf.gather(rows, patch_rows(schema.steps, params), axis=1))
    scores = None
    for number in range(1, params.patch_layers + 1):
        states, scores = encoder.layer(states, scores, f"layer_{number}")
    flat = tf.reshape(states, [-1, states.shape[1] * states.shape[2]])
    head = keras.layers.Dense(schema.horizon, kernel_initializer=channels.initializer(), name="forecast")
    ahead = tf.cast(head(flat), tf.float32)
    return norm.restored(tf.transpose(tf.reshape(ahead, [-1, len(schema.targets), schema.horizon]), [0, 2, 1]))


def patch_rows(steps: int, params: Settings) -> np.ndarray:
    """Which rows each patch has, int64 [patches, length]; rows after the last are the last again.

    Raises:
      UsageError: the history is shorter than a patch.
    """
    import numpy as np

    if steps < params.patch_length:
        got = f"--patch_length={params.patch_length} with a history of {steps} rows"
        raise UsageError(got, "a patch that fits", f"Set --patch_length={steps}, or a longer --lookback")
    count = (steps - params.patch_length) // params.patch_stride + 2
    rows = np.arange(count)[:, np.newaxis] * params.patch_stride + np.arange(params.patch_length)
    return np.minimum(rows, steps - 1)


class _Encoder:
    """The layers between patches and the forecast. States are float32 [rows, patches, width].

    Args:
      params: with their sizes.
      training: as in `forecast`.
    """

    def __init__(self, params: Settings, *, training: bool) -> None:
        self._params, self._training = params, training

    def embedded(self, patches: tf.Tensor) -> tf.Tensor:
        """The states of patches, float32 [rows, patches, length]."""
        import tensorflow as tf

        width = self._params.patch_width
        position = tf.Variable(tf.random.uniform([patches.shape[1], width], -0.02, 0.02), name="position")
        return self._kept(self._dense(patches, width, "embedding") + position)

    def layer(self, states: tf.Tensor, scores: tf.Tensor | None, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """The states after a layer, and the scores of its attention, float32 [rows, heads, patches, patches].

        Args:
          states: float32 [rows, patches, width].
          scores: of the layer before; None for the first.
          name: of the layer.
        """
        attended, scores = self._attention(states, scores, name)
        states = self._normal(states + self._kept(attended), f"{name}_attention_norm")
        hidden = self._kept(self._dense(states, self._params.patch_units, f"{name}_dense_in", activation="gelu"))
        dense = self._dense(hidden, self._params.patch_width, f"{name}_dense_out")
        return self._normal(states + self._kept(dense), f"{name}_dense_norm"), scores

    def _attention(self, states: tf.Tensor, before: tf.Tensor | None, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """What each patch takes from all, float32 [rows, patches, width], and the scores, as in `layer`."""
        import tensorflow as tf

        width, heads = self._params.patch_width, self._params.patch_heads
        size = width // heads
        # A bias of the keys would add the same to all scores of a query, which softmax takes away again.
        query, key, value = (
            tf.reshape(
                self._dense(states, width, f"{name}_{part}", use_bias=part != "key"), [-1, states.shape[1], heads, size]
            )
            for part in ("query", "key", "value")
        )
        scores = tf.einsum("rqhs,rkhs->rhqk", query, key) * size**-0.5
        if before is not None:
            scores += before
        mixed = tf.einsum("rhqk,rkhs->rqhs", tf.nn.softmax(scores), value)
        taken = self._dense(tf.reshape(mixed, [-1, states.shape[1], width]), width, f"{name}_mixed")
        return self._kept(taken), scores

    def _dense(self, inputs: tf.Tensor, units: int, name: str, **settings: Any) -> tf.Tensor:
        """float32 [..., units] of [..., inputs], by a dense layer with some settings."""
        import keras
        import tensorflow as tf

        layer = keras.layers.Dense(units, kernel_initializer=channels.initializer(), name=name, **settings)
        return tf.cast(layer(inputs), tf.float32)

    def _normal(self, states: tf.Tensor, name: str) -> tf.Tensor:
        """Normalised states, float32 [rows, patches, width] of the same."""
        import keras

        layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype="float32", name=name)
        normalized: tf.Tensor = layer(states, training=self._training)
        return normalized

    def _kept(self, units: tf.Tensor) -> tf.Tensor:
        """float32 of the same shape, a share of it left out in training."""
        import tensorflow as tf

        share = self._params.patch_dropout
        return tf.nn.dropout(units, share) if self._training and share else units


ETTH1 = {
    **LONG_TERM,
    "model": "patchtst",
    "lookback": "336",
    "horizon": "96",
    "train_batch_size": "64",
    "num_epochs": "3",
    "learning_rate": "0.0005",
    "learning_rate_schedule": "cosine",
    "warmup_steps": "20",
}
# The sizes of the paper. Its authors train up to 100 epochs, on batches of 128, at rates of 0.0001 and below that soon
# vanish: about as much in sum.
NETWORK = Network(
    name="patchtst", outputs=forecast, settings=Settings, check=channels.check, presets={"patchtst_etth1": ETTH1}
)
