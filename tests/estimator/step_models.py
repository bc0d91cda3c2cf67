"""Model functions in many styles, whose steps the tests partition, and stacks of batches for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys, RunConfig
from trainer.estimator.graph.model_function import ModelFunction, ModelReplica
from trainer.estimator.graph.tracing import TracedModel, trace
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.inner import one_device
from trainer.estimator.steps.input.input_function import InputFunction
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.steps import Steps

V1 = tf.compat.v1
BATCH = [6, 5]
Model = Callable[[tf.Tensor], EstimatorSpec]


def stack(steps: int) -> tf.Tensor:
    """Batches of numbers in [0, 1): float32 [steps, 6, 5]."""
    return tf.constant(np.random.RandomState(0).uniform(size=[steps, *BATCH]).astype(np.float32))


def numbered(stack: tf.Tensor, steps: int | None = None) -> Any:
    """An iterator over one stack [steps, batch, …], or several, with the numbers of its batches, int64 [steps, 2].

    Args:
      stack: the batches.
      steps: how many of them each stack has; None for all.
    """
    numbers = tf.stack([tf.zeros(len(stack), tf.int64), tf.range(len(stack), dtype=tf.int64)], axis=1)
    if steps is None:
        return iter(tf.data.Dataset.from_tensors((stack, numbers)))
    return iter(tf.data.Dataset.from_tensor_slices((stack, numbers)).batch(steps))


def traced(model: Model, seed: int | None = 1, xla: bool = True) -> TracedModel:
    spec = [tf.TensorSpec(BATCH)]
    return trace(lambda x: (model(x), None), spec, ModeKeys.TRAIN, VariableStore(seed), xla=xla)


def plan(
    model_fn: Callable[..., EstimatorSpec],
    input_fn: Callable[..., Any],
    stop_at: int | None = None,
    **settings: Any,
) -> TrainingPlan:
    """A training from the beginning, with settings of a RunConfig."""
    config = RunConfig(save_checkpoints_secs=None, **settings)
    model, data = ModelFunction(model_fn, None, config), InputFunction(input_fn, {}, config)
    return TrainingPlan(model=model, data=data, values=StartingValues(), config=config, stop_at=stop_at)


def replica(model: Model, seed: int | None = 1) -> ModelReplica:
    """A model with variables of its own."""
    config = RunConfig(tf_random_seed=seed)
    return ModelReplica(ModelFunction(lambda features: model(features), None, config), VariableStore(seed))


def steps(model_fn: Callable[..., EstimatorSpec], input_fn: Callable[..., Any], **settings: Any) -> Steps:
    """What makes the steps of a `plan`, on one device."""
    training = plan(model_fn, input_fn, **settings)
    return one_device.begin(training, ModelReplica(training.model, VariableStore(training.config.tf_random_seed)))


def trained(loss: tf.Tensor, train_op: Any) -> EstimatorSpec:
    return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op)


def gradients(loss: tf.Tensor) -> list[tuple[tf.Tensor, tf.Variable]]:
    variables = V1.get_default_graph().get_collection(V1.GraphKeys.TRAINABLE_VARIABLES)
    return list(zip(tf.gradients(loss, variables), variables, strict=True))


def dense(x: tf.Tensor) -> tf.Tensor:
    """Two layers, the weights of the first regularised."""
    hidden = keras.layers.Dense(4, activation="tanh", kernel_initializer="ones")(x)
    weight = tf.Variable(tf.ones([4, 1]), name="weight")
    return tf.reduce_mean((hidden @ weight - 1.0) ** 2) + 0.01 * tf.reduce_sum(weight**2)


def recurrent(x: tf.Tensor) -> tf.Tensor:
    """A loop that reads its variables."""
    return tf.reduce_mean((keras.layers.LSTM(3, use_cudnn=False)(x[..., None]) - 1.0) ** 2)


def looked_up(x: tf.Tensor) -> tf.Tensor:
    """Rows of a table."""
    table = V1.get_variable("table", [50, 4], initializer=V1.random_uniform_initializer(seed=1))
    rows = tf.nn.embedding_lookup(table, tf.cast(x * 50, tf.int64))
    weight = tf.Variable(tf.ones([4, 1]), name="weight")
    return tf.reduce_mean((tf.reshape(rows, [-1, 4]) @ weight - 1.0) ** 2)


def sgd(loss: tf.Tensor) -> Any:
    return V1.train.GradientDescentOptimizer(0.1).minimize(loss, V1.train.get_global_step())


def adam_v1(loss: tf.Tensor) -> Any:
    return V1.train.AdamOptimizer(0.1).minimize(loss)


def adamw(loss: tf.Tensor) -> Any:
    return keras.optimizers.AdamW(0.01, clipnorm=0.5).apply_gradients(gradients(loss))


def decaying_momentum(loss: tf.Tensor) -> Any:
    """Clipped by the norm of all gradients, with a rate that the global step gives, after the UPDATE_OPS."""
    step = V1.train.get_global_step()
    optimizer = V1.train.MomentumOptimizer(V1.train.exponential_decay(0.1, step, 2, 0.5), 0.9)
    clipped, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, _ = tf.clip_by_global_norm(clipped, 0.1)
    with tf.control_dependencies(V1.get_collection(V1.GraphKeys.UPDATE_OPS)):
        return optimizer.apply_gradients(zip(clipped, variables, strict=True), step)


def normalised(x: tf.Tensor) -> tf.Tensor:
    """Batch normalisation, whose moving averages are written before the gradients are made, as its v1 docs ask."""
    mean = V1.get_variable("mean", [5], trainable=False, initializer=V1.zeros_initializer())
    batch_mean = tf.reduce_mean(x, 0)
    V1.add_to_collection(V1.GraphKeys.UPDATE_OPS, mean.assign_sub((mean - batch_mean) * 0.1))
    scale = V1.get_variable("scale", [5], initializer=V1.ones_initializer())
    return tf.reduce_mean(((x - batch_mean) * scale - x) ** 2)


def with_updates_before_gradients(loss: tf.Tensor) -> Any:
    with tf.control_dependencies(V1.get_collection(V1.GraphKeys.UPDATE_OPS)):
        return sgd(loss)


def model(forward: Callable[[tf.Tensor], tf.Tensor], optimize: Callable[[tf.Tensor], Any]) -> Model:
    def model_fn(x: tf.Tensor) -> EstimatorSpec:
        loss = forward(x)
        return trained(loss, optimize(loss))

    return model_fn
