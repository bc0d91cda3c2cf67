"""An optimizer of Keras 2, as canned Estimators of TensorFlow 2 trained with: its variables, their names, its step.

Keras 3's differ in both: RMSprop and Adagrad have their epsilon inside the root, rows of embeddings that a batch does
not look up are changed, and slots have other names. A directory of tf.estimator is continued as it was begun.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

Rate = float | Callable[..., Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What an optimizer was made with.

    Attributes:
      name: begins the names of its variables.
      learning_rate: a number, a schedule that takes the step, or a function without arguments.
      numbers: by the names of Keras 2, what is a variable in its checkpoints: `beta_1`, `momentum` and so on.
      others: what is not: `epsilon`, `amsgrad`, `nesterov`, `centered`, `initial_accumulator_value`.
      clipnorm, global_clipnorm, clipvalue: of gradients; None for none.
    """

    name: str
    learning_rate: Rate
    numbers: Mapping[str, float]
    others: Mapping[str, Any]
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    clipvalue: float | None = None

    def clipped(self, gradients: Sequence[Any]) -> list[Any]:
        """The gradients, a tensor or `tf.IndexedSlices` each."""
        if self.clipvalue is not None:
            gradients = [_clipped_to(gradient, self.clipvalue) for gradient in gradients]
        if self.clipnorm is not None:
            gradients = [_clipped_by_norm(gradient, self.clipnorm) for gradient in gradients]
        if self.global_clipnorm is not None:
            gradients, _ = tf.clip_by_global_norm(list(gradients), self.global_clipnorm)
        return list(gradients)


class Keras2Optimizer(tf.compat.v1.train.Optimizer):
    """One of them, as an optimizer of TensorFlow 1, whose way of applying gradients works on every cluster.

    Args:
      settings: what it was made with.
      iterations: the variable [] that counts its steps; None for one of its own.
    """

    slots: ClassVar[Sequence[str]] = ()
    """Beside each variable, by the names of Keras 2."""

    def __init__(self, settings: Settings, iterations: tf.Variable | None) -> None:
        super().__init__(use_locking=False, name=settings.name)
        self._settings, self._counter = settings, iterations
        self._held: dict[str, Any] = {}

    def get_updates(self, loss: tf.Tensor, variables: Sequence[Any]) -> list[Any]:
        """Ops of a step, the first of which makes it whole.

        Args:
          loss: [].
          variables: that are trained.
        """
        gradients = tf.gradients(loss, list(variables))
        pairs = [pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None]
        if not pairs:
            raise ValueError(
                f"The loss depends on none of the variables {[variable.name for variable in variables]}. "
                "Training takes a loss that does. Look at the head and the logits"
            )
        gradients = self._settings.clipped([gradient for gradient, _ in pairs])
        applied = self.apply_gradients(list(zip(gradients, (variable for _, variable in pairs), strict=True)))
        with tf.control_dependencies([applied]):
            return [self._iterations().assign_add(1, read_value=False)]

    def _create_slots(self, var_list: Iterable[Any]) -> None:
        with self._named():
            for slot in self.slots:
                for variable in var_list:
                    start = tf.compat.v1.constant_initializer(self._start_of(slot), variable.dtype.base_dtype)
                    kind = variable.shape, variable.dtype.base_dtype
                    self._get_or_make_slot_with_initializer(variable, start, *kind, slot, slot)

    def _start_of(self, slot: str) -> float:
        return float(self._settings.others["initial_accumulator_value"]) if slot == "accumulator" else 0.0

    def _prepare(self) -> None:
        # Keras 3 knows no `decay`, and the reference does not read a checkpoint without it.
        numbers = {"decay": 0.0, **self._settings.numbers}
        if isinstance(self._settings.learning_rate, float):
            numbers["learning_rate"] = self._settings.learning_rate
        with self._named():
            for name, value in numbers.items():
                self._held[name] = tf.compat.v1.get_variable(
                    name, [], tf.float32, tf.compat.v1.constant_initializer(value), trainable=False, use_resource=True
                )
            self._iterations()

    def _iterations(self) -> tf.Variable:
        if self._counter is None:
            with self._named():
                zero = tf.compat.v1.zeros_initializer()
                self._counter = tf.compat.v1.get_variable(
                    "iter", [], tf.int64, zero, trainable=False, use_resource=True
                )
        return self._counter

    def _named(self) -> Any:
        """The variable scope of its variables, wherever the model function is."""
        scope = tf.compat.v1.VariableScope(reuse=tf.compat.v1.AUTO_REUSE, name=f"training/{self._settings.name}")
        return tf.compat.v1.variable_scope(scope, auxiliary_name_scope=False)

    def _number(self, name: str) -> tf.Tensor:
        """The value [] of what is a variable of its own."""
        return tf.convert_to_tensor(self._held[name])

    def _rate(self) -> tf.Tensor:
        """The learning rate [] of the step."""
        rate = self._scheduled()
        if not self._settings.numbers.get("decay"):
            return rate
        return rate / (1.0 + self._number("decay") * tf.cast(self._iterations(), tf.float32))

    def _scheduled(self) -> tf.Tensor:
        """The rate [] before it decays."""
        rate = self._settings.learning_rate
        if isinstance(rate, float):
            return self._number("learning_rate")
        # A schedule, of Keras 2 too, takes the step; a function of the person's nothing.
        value = rate(tf.convert_to_tensor(self._iterations())) if hasattr(rate, "from_config") else rate()
        return tf.cast(value, tf.float32)

    def _epsilon(self) -> float:
        return float(self._settings.others["epsilon"])

    def _handles(self, variable: Any) -> dict[str, tf.Tensor]:
        """Those of the slots, [] each."""
        return {slot: self.get_slot(variable, slot).handle for slot in self.slots}


def _clipped_to(gradient: Any, bound: float) -> Any:
    return _with_values(gradient, lambda values: tf.clip_by_value(values, -bound, bound))


def _clipped_by_norm(gradient: Any, norm: float) -> Any:
    return _with_values(gradient, lambda values: tf.clip_by_norm(values, norm))


def _with_values(gradient: Any, change: Callable[[tf.Tensor], tf.Tensor]) -> Any:
    """A gradient, a tensor [...] or `tf.IndexedSlices`, with changed values."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(change(gradient.values), gradient.indices, gradient.dense_shape)
    return change(gradient)
