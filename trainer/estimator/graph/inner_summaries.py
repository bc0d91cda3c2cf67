"""Summaries that a model function makes inside of branches, loops and functions of its own.

Nobody outside of such a body can fetch what is computed in it. So the body assigns the value to a variable, which the
step reads when the body has run, and sets a flag, which the step has taken back before: a branch that was not taken
leaves no value of an earlier step. Of a loop the value of the last iteration is left.

    the model's graph:    flag ◄─ false      If(…)      value ─► summary      flag ─► whether it was made
    the branch:                   value ◄─ the summary's tensor      flag ◄─ true
"""

from __future__ import annotations

import dataclasses
import functools
import logging

import tensorflow as tf

from trainer.estimator.graph.variables import Role, VariableStore

log = logging.getLogger("trainer")

_WHERE = "it is made inside of a branch, a loop or a function"


@dataclasses.dataclass(frozen=True)
class Summary:
    """A summary that the model function made.

    Attributes:
      tag: of the summary.
      tensor: what to fetch, of any shape [...].
      metadata: serialized; says how TensorBoard shows it.
      made: whether this step has made it, bool []; None where every step does.
    """

    tag: str
    tensor: tf.Tensor
    metadata: bytes
    made: tf.Tensor | None = None


class InnerSummaries:
    """The summaries of the bodies of one trace.

    Args:
      store: gives the variables that carry their values.
    """

    def __init__(self, store: VariableStore) -> None:
        self._store = store
        self._kept: dict[str, tuple[tf.Variable, tf.Variable, bytes]] = {}

    def keep(self, tag: str, value: tf.Tensor, metadata: bytes) -> None:
        """Carries a value [...] out of the body that is being built.

        Args:
          tag: of the summary.
          value: of the body's graph.
          metadata: serialized.
        """
        if self._store.on_servers:
            log.warning("The summary %s is left out: %s, and the variables are on parameter servers.", tag, _WHERE)
        elif value.shape.rank is None:
            log.warning("The summary %s is left out: %s, and it may have any number of dimensions.", tag, _WHERE)
        else:
            if tag not in self._kept:
                self._kept[tag] = *self._variables(tag, value), metadata
            carrier, flag, _ = self._kept[tag]
            carrier.assign(value)
            flag.assign(True)

    def _variables(self, tag: str, value: tf.Tensor) -> tuple[tf.Variable, tf.Variable]:
        """What carries a value [...] out, and the flag [], which is taken back where the model's graph has come to."""
        blank = functools.partial(tf.zeros, [size or 0 for size in value.shape], value.dtype)
        settings = {"trainable": False, "shape": value.shape}
        carrier = self._store.get_or_create(f"summary/{tag}/value", Role.METRIC, blank, settings)
        flag = self._store.get_or_create(f"summary/{tag}/made", Role.METRIC, False, {"trainable": False})
        with tf.init_scope():  # before the op that the body will belong to
            flag.assign(False)
        return carrier, flag

    def summaries(self) -> list[Summary]:
        """What to fetch, from the model's graph, when all of it is built."""
        return [
            Summary(tag, carrier.read_value(), metadata, flag.read_value())
            for tag, (carrier, flag, metadata) in self._kept.items()
        ]
