"""Wide dense layers in mixed precision, products in bfloat16 and variables in float32: `trainer`, Keras, PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.race.contenders.task import Figures, Task, steps_per_second

COLUMNS, HIDDEN, LEARNING_RATE, BATCHES = 256, (2048, 2048, 2048), 1e-4, 64


def batches(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [64, batch, 256] and labels [64, batch, 1], which are means of features."""
    features = np.random.default_rng(0).standard_normal((BATCHES, task["batch_size"], COLUMNS), np.float32)
    return features, features[..., :16].sum(-1, keepdims=True) / 4


def weights() -> list[np.ndarray]:
    """Kernel float32 [inputs, outputs] and bias [outputs] of each layer in turn (He et al., 2015)."""
    random, inputs, made = np.random.RandomState(0), COLUMNS, []
    for size in (*HIDDEN, 1):
        made += [(random.randn(inputs, size) * (2 / inputs) ** 0.5).astype(np.float32), np.zeros(size, np.float32)]
        inputs = size
    return made


def keras_model() -> Any:
    """The last layer computes in float32, as Keras's guide to mixed precision has it."""
    import keras

    starts = [keras.initializers.Constant(kernel) for kernel in weights()[::2]]
    model = keras.Sequential([keras.Input((COLUMNS,))])
    for size, start in zip(HIDDEN, starts, strict=False):
        model.add(keras.layers.Dense(size, activation="relu", dtype="mixed_bfloat16", kernel_initializer=start))
    model.add(keras.layers.Dense(1, dtype="float32", kernel_initializer=starts[-1]))
    return model


def dataset(task: Task, epochs: int | None = None) -> Callable[[], Any]:
    """An input function of those batches."""

    def input_fn() -> Any:
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(batches(task)).repeat(epochs).prefetch(4)

    return input_fn


def estimator(task: Task) -> Figures:
    """A model function with a Keras model; `mirrored` trains on all GPUs of the machine."""
    import keras
    import tensorflow as tf

    from benchmarks.race.contenders import estimator_clock
    from trainer.estimator import Estimator, EstimatorSpec, RunConfig

    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
        model = keras_model()
        loss = tf.reduce_mean(tf.math.squared_difference(model(features), labels))
        variables = model.trainable_variables
        optimizer = keras.optimizers.SGD(LEARNING_RATE)
        optimizer.apply_gradients(zip(tf.gradients(loss, [v.value for v in variables]), variables, strict=True))
        return EstimatorSpec(mode, loss=loss, train_op=tf.compat.v1.train.get_global_step())

    strategy = tf.distribute.MirroredStrategy() if task.get("mirrored") else None
    loss = None
    if task["check"]:
        made = Estimator(model_fn, tempfile.mkdtemp(), RunConfig(train_distribute=strategy))
        loss = estimator_clock.loss_after(task, made, dataset(task), dataset(task, 1))
    config = RunConfig(save_checkpoints_steps=task["steps"], train_distribute=strategy)
    made = Estimator(model_fn, tempfile.mkdtemp(), config)
    return Figures(rate=estimator_clock.steps_per_second(task, made, dataset(task)), loss=loss)


def keras_fit(task: Task) -> Figures:
    """`fit` with many steps an execution, compiled."""
    import keras

    def made() -> keras.Model:
        model, optimizer = keras_model(), keras.optimizers.SGD(LEARNING_RATE)
        model.compile(optimizer, "mse", steps_per_execution=task["steps_per_call"], jit_compile=True)
        return model

    loss, rows = None, dataset(task)()
    if task["check"]:
        model = made()
        model.fit(rows, steps_per_epoch=task["check_steps"], verbose=0)
        loss = model.evaluate(dataset(task, 1)(), verbose=0)
    model = made()
    return Figures(rate=steps_per_second(task, lambda n: model.fit(rows, steps_per_epoch=n, verbose=0)), loss=loss)


def torch_compiled(task: Task) -> Figures:
    """Autocast to bfloat16 and inductor, on the GPU where there is one."""
    import torch
    from torch import nn

    device = "cuda" if torch.cuda.is_available() else "cpu"
    features, labels = (torch.from_numpy(array).to(device) for array in batches(task))

    def begin() -> tuple[Callable[[int], torch.Tensor], Callable[[int], None]]:
        layers: list[nn.Module] = []
        for inputs, outputs in zip((COLUMNS, *HIDDEN), HIDDEN, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        body, last = nn.Sequential(*layers).to(device), nn.Linear(HIDDEN[-1], 1).to(device)
        learned = [*body.parameters(), *last.parameters()]
        with torch.no_grad():
            for parameter, value in zip(learned, weights(), strict=True):
                parameter.copy_(torch.from_numpy(value.T.copy()))
        optimizer = torch.optim.SGD(learned, LEARNING_RATE)

        @torch.compile
        def compiled(rows: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            with torch.autocast(device, torch.bfloat16):
                hidden = body(rows)
            return nn.functional.mse_loss(last(hidden.float()), wanted)

        def train(steps: int) -> None:
            for number in range(steps):
                optimizer.zero_grad(set_to_none=True)
                compiled(features[number % BATCHES], labels[number % BATCHES]).backward()
                optimizer.step()
            if device == "cuda":
                torch.cuda.synchronize()

        return lambda number: compiled(features[number], labels[number]), train

    loss = None
    if task["check"]:
        loss_of, train = begin()
        train(task["check_steps"])
        with torch.no_grad():
            loss = float(torch.stack([loss_of(number) for number in range(BATCHES)]).mean())
    return Figures(rate=steps_per_second(task, begin()[1]), loss=loss)
