"""The model functions of canned Estimators: networks, the optimizers of each, and a head."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.canned import optimizers
from trainer.estimator.canned.feature_columns import check_second_version
from trainer.estimator.canned.networks import Built, Deep, Linear, layer_summary
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside.modes import numbered

# Columns' variables are divided from here on, among the parameter servers; smaller ones stay whole.
_LARGE = 64 << 20
_KEYS = tf.compat.v1.GraphKeys


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A network and what trains it.

    Attributes:
      network: one of them.
      optimizer: as a person gave it.
      learning_rate: of one that is given by its name; None for the optimizer's usual one, in TensorFlow 2.
      partitioner: of its variables, in TensorFlow 1; None for the usual one.
    """

    network: Deep | Linear
    optimizer: Any
    learning_rate: float | None
    partitioner: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecondVersion:
    """The model function of an Estimator of TensorFlow 2.

    Attributes:
      head: makes the loss and all else of the logits.
      parts: whose logits are summed.
      combined: whether it is that of an Estimator of several parts, even if a person gave one only.
    """

    head: Any
    parts: Sequence[Part]
    combined: bool = False

    def __post_init__(self) -> None:
        for part in self.parts:
            check_second_version(part.network.feature_columns)
        kept = [dataclasses.replace(part, optimizer=optimizers.as_given(part.optimizer)) for part in self.parts]
        object.__setattr__(self, "parts", kept)

    @numbered
    def model_fn(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        """As the Estimator calls it.

        Args:
          features: a dict of dense or sparse tensors [batch, …].
          labels: as the head takes them; None in PREDICT.
          mode: a value of ModeKeys.
        """
        check_features(features)
        built = [self._build(part.network, features, mode) for part in self.parts]
        given = {"features": features, "mode": mode, "labels": labels, "logits": _summed(built)}
        if mode != ModeKeys.TRAIN:
            return self.head.create_estimator_spec(**given)
        # The first of them counts the steps of the training, as the reference had it.
        counters = [tf.compat.v1.train.get_or_create_global_step(), None]
        trained = [
            (optimizers.second_version(part.optimizer, part.learning_rate, counter), variables(part.network.scope))
            for part, counter in zip(self.parts, counters, strict=False)
        ]
        updates = [update for each in built for update in each.updates]
        if not self.combined:
            optimizer, of_part = trained[0]
            given |= {"optimizer": optimizer, "trainable_variables": of_part, "update_ops": updates}
            return self.head.create_estimator_spec(**given)

        def train_op(loss: tf.Tensor) -> tf.Operation:
            return tf.group(*updates, *(optimizers.step(optimizer, loss, of_part) for optimizer, of_part in trained))

        return self.head.create_estimator_spec(**given, train_op_fn=train_op)

    def _build(self, network: Deep | Linear, features: dict[str, Any], mode: str) -> Built:
        with tf.compat.v1.variable_scope(network.scope):
            built = network.build(features, self.head.logits_dimension, mode, tag="")
        # Tags are the reference's: those of layers are in the network's scope, those of linear models in none.
        with tf.compat.v1.name_scope(f"{network.scope}/" if isinstance(network, Deep) else ""):
            built.summarize()
            if self.combined and isinstance(network, Linear):
                layer_summary(built.logits, network.scope)
        return built


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirstVersion:
    """The model function of an Estimator of TensorFlow 1.

    Attributes:
      head: makes the loss and all else of the logits.
      parts: whose logits are summed.
      combined: whether it is that of an Estimator of several parts, even if a person gave one only.
    """

    head: Any
    parts: Sequence[Part]
    combined: bool = False

    @numbered
    def model_fn(self, features: Any, labels: Any, mode: str, config: RunConfig) -> EstimatorSpec:
        """As the Estimator calls it.

        Args:
          features: a dict of dense or sparse tensors [batch, …].
          labels: as the head takes them; None in PREDICT.
          mode: a value of ModeKeys.
          config: says how many parameter servers there are.
        """
        check_features(features)
        given = {"features": features, "mode": mode, "labels": labels}
        made = [optimizers.first_version(part.optimizer, part.learning_rate) for part in self.parts]
        if not self.combined:
            # Within the scope of the network, after which the slots are named too.
            with self._scope(self.parts[0], config):
                logits = self._build(self.parts[0], features, mode, config).logits
                return self.head.create_estimator_spec(**given, logits=logits, optimizer=made[0])
        for optimizer in made:
            _check_alone(optimizer)
        built = []
        for part in self.parts:
            with self._scope(part, config):
                built.append(self._build(part, features, mode, config))

        def train_op(loss: tf.Tensor) -> tf.Operation:
            steps = [
                optimizer.minimize(loss, var_list=variables(part.network.scope))
                for optimizer, part in zip(made, self.parts, strict=True)
            ]
            with tf.control_dependencies([tf.group(*steps)]):
                return tf.compat.v1.assign_add(tf.compat.v1.train.get_global_step(), 1).op

        return self.head.create_estimator_spec(**given, logits=_summed(built), train_op_fn=train_op)

    def _scope(self, part: Part, config: RunConfig) -> Any:
        smallest = 256 << 10 if isinstance(part.network, Deep) else _LARGE
        partitioner = part.partitioner or _partitioner(config, smallest)
        return tf.compat.v1.variable_scope(part.network.scope, partitioner=partitioner)

    def _build(self, part: Part, features: dict[str, Any], mode: str, config: RunConfig) -> Built:
        network = part.network
        if isinstance(network, Deep) and network.input_layer_partitioner is None:
            network = dataclasses.replace(network, input_layer_partitioner=_partitioner(config, _LARGE))
        built = network.build(features, self.head.logits_dimension, mode, tag=f"{network.scope}/")
        built.summarize()
        if self.combined and isinstance(network, Linear):
            layer_summary(built.logits, network.scope)
        for update in built.updates:
            tf.compat.v1.add_to_collection(_KEYS.UPDATE_OPS, update)
        return built


def variables(scope: str) -> list[Any]:
    """Those that are trained, of a network."""
    return list(tf.compat.v1.get_collection(_KEYS.TRAINABLE_VARIABLES, scope=f"{scope}/"))


def check_features(features: Any) -> None:
    """Refuses features that columns cannot look up.

    Raises:
      ValueError: they are no dict.
    """
    if not isinstance(features, dict):
        raise ValueError(
            f"The input function of a canned Estimator gave features of type {type(features).__name__}. "
            "They should be a dictionary of tensors. Give each tensor the key of its feature column"
        )


def _summed(built: Sequence[Built]) -> tf.Tensor:
    """The logits [batch, units] of all parts."""
    logits = [each.logits for each in built]
    return sum(logits[1:], start=logits[0])


def _partitioner(config: RunConfig, smallest: int) -> Any:
    return tf.compat.v1.min_max_variable_partitioner(config.num_ps_replicas, min_slice_size=smallest)


def _check_alone(optimizer: Any) -> None:
    if isinstance(optimizer, tf.compat.v1.train.SyncReplicasOptimizer):
        raise ValueError(
            "An Estimator with two optimizers was given a SyncReplicasOptimizer, which takes all of a step. "
            "Leave it out: workers train in step by --distribution=sync"
        )
