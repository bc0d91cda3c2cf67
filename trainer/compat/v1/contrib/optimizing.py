"""`tf.contrib.layers.optimize_loss`: an optimizer, its learning rate and clipping in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

_TRAIN = tf.compat.v1.train
OPTIMIZER_CLS_NAMES: dict[str, Callable[..., Any]] = {
    "Adagrad": _TRAIN.AdagradOptimizer,
    "Adam": _TRAIN.AdamOptimizer,
    "Ftrl": _TRAIN.FtrlOptimizer,
    "Momentum": lambda learning_rate: _TRAIN.MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": _TRAIN.RMSPropOptimizer,
    "SGD": _TRAIN.GradientDescentOptimizer,
}
OPTIMIZER_SUMMARIES = ["learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm"]


def optimize_loss(
    loss: tf.Tensor,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Any = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[..., Any] | None = None,
    update_ops: Sequence[Any] | None = None,
    variables: Sequence[Any] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> tf.Tensor:
    """The op of a training step, whose value is the loss [].

    Args:
      loss: [].
      global_step: the variable; None for that of the graph.
      learning_rate: a number, which becomes a variable, or a tensor []; None where the optimizer has one.
      optimizer: a name, a class, a function of the learning rate, or an optimizer.
      gradient_noise_scale: standard deviation of noise on gradients; None for none.
      gradient_multipliers: by variables or their names; None for none.
      clip_gradients: the largest global norm, or a function of (gradient, variable) pairs; None for none.
      learning_rate_decay_fn: of learning rate and global step; None for none.
      update_ops: that run before; None for UPDATE_OPS.
      variables: to train; None for all that can be.
      name: of the scope, `OptimizeLoss` by default.
      summaries: of OPTIMIZER_SUMMARIES; None for the loss, a rate that decays and the global norm.
      colocate_gradients_with_ops: of the gradients.
      increment_global_step: whether the step is counted.
    """
    step = global_step if global_step is not None else _TRAIN.get_global_step()
    chosen = ["loss", "learning_rate", "global_gradient_norm"] if summaries is None else summaries
    with tf.compat.v1.variable_scope(name, "OptimizeLoss", [loss, step]):
        before = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS) if update_ops is None else update_ops
        with tf.control_dependencies(list(dict.fromkeys(before))):
            loss = tf.identity(loss)
        rate = _rate(learning_rate, learning_rate_decay_fn, step)
        optimizing = _optimizer(optimizer, rate)
        wanted = tf.compat.v1.trainable_variables() if variables is None else variables
        pairs = optimizing.compute_gradients(loss, wanted, colocate_gradients_with_ops=colocate_gradients_with_ops)
        pairs = _changed([(g, v) for g, v in pairs if g is not None], gradient_noise_scale, gradient_multipliers)
        noted = {"loss": loss} | ({} if learning_rate_decay_fn is None else {"learning_rate": rate})
        _summarize(chosen, noted, "global_norm/gradient_norm", pairs)
        _summarize_each(chosen, pairs)
        if callable(clip_gradients):
            pairs = clip_gradients(pairs)
        elif clip_gradients is not None:
            clipped, _ = tf.clip_by_global_norm([g for g, _ in pairs], clip_gradients)
            pairs = list(zip(clipped, [v for _, v in pairs], strict=True))
            _summarize(chosen, {}, "global_norm/clipped_gradient_norm", pairs)
        updated = optimizing.apply_gradients(pairs, global_step=step if increment_global_step else None, name="train")
        with tf.control_dependencies([updated]):
            return tf.identity(loss)


def _rate(given: Any, decay: Callable[..., Any] | None, step: Any) -> Any:
    """The learning rate []: a variable of a number, which a checkpoint keeps."""
    if given is None:
        return None
    rate = given
    if isinstance(given, int | float):
        start = tf.compat.v1.constant_initializer(given)
        rate = tf.compat.v1.get_variable("learning_rate", [], trainable=False, initializer=start)
    return rate if decay is None else decay(rate, step)


def _optimizer(given: Any, rate: Any) -> Any:
    if isinstance(given, str):
        if given not in OPTIMIZER_CLS_NAMES:
            raise ValueError(
                f"optimize_loss was given the optimizer {given!r}. It takes {', '.join(OPTIMIZER_CLS_NAMES)}"
            )
        return OPTIMIZER_CLS_NAMES[given](learning_rate=rate)
    if isinstance(given, type):
        return given(learning_rate=rate)
    if callable(given) and not isinstance(given, _TRAIN.Optimizer):
        return given(rate) if rate is not None else given()
    return given


def _changed(pairs: list[tuple[Any, Any]], noise: float | None, multipliers: Any) -> list[tuple[Any, Any]]:
    """Pairs of gradient [...] and variable, with noise and times multipliers."""
    if noise is not None:
        pairs = [(g + tf.random.truncated_normal(tf.shape(g)) * noise, v) for g, v in pairs]
    factors = multipliers or {}

    def factor(v: Any) -> Any:
        return factors.get(v, factors.get(v.op.name, None))

    return [(g if factor(v) is None else g * tf.cast(factor(v), g.dtype), v) for g, v in pairs]


def _summarize(chosen: Sequence[str], values: dict[str, Any], norm: str, pairs: list[tuple[Any, Any]]) -> None:
    """Summaries of values [] and of the norm of the gradients."""
    for name, value in values.items():
        if name in chosen and value is not None:
            tf.compat.v1.summary.scalar(name, value)
    if {"global_gradient_norm", "gradient_norm"} & set(chosen):
        tf.compat.v1.summary.scalar(norm, tf.linalg.global_norm([g for g, _ in pairs]))


def _summarize_each(chosen: Sequence[str], pairs: list[tuple[Any, Any]]) -> None:
    """Summaries of each gradient [...] and of its norm, where they are asked for by name."""
    for gradient, variable in pairs:
        values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
        name = variable.name.replace(":", "_")
        if "gradients" in chosen:
            tf.compat.v1.summary.histogram(f"gradients/{name}", values)
        if "gradient_norm" in chosen:
            tf.compat.v1.summary.scalar(f"gradient_norm/{name}", tf.linalg.global_norm([values]))
