"""The course's LSTM in JAX: an epoch of batches in one `lax.scan`, optax's SGD, donated state."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from benchmarks.race.contenders import lstm_values
from benchmarks.race.contenders.lstm_values import CANDIDATE, ENTER, FORGET, LEAVE
from benchmarks.race.contenders.task import Figures, Task, steps_per_second

Tree = Any
OPTIMIZER = optax.sgd(lstm_values.LEARNING_RATE)


def begin(units: int) -> Tree:
    """The parameters, by names as Flax has them, and the state of the optimizer."""
    start = lstm_values.begin(units)
    kernel, bias = start.in_order((ENTER, FORGET, CANDIDATE, LEAVE))
    params = {"input": kernel[:1], "hidden": kernel[1:], "bias": bias, "weight": start.weight, "shift": start.shift}
    params = jax.tree.map(jnp.asarray, params)
    return params, OPTIMIZER.init(params)


def loss_of(params: Tree, histories: jax.Array, labels: jax.Array) -> jax.Array:
    """float32 [] of histories float32 [batch, 9] and labels [batch, 1]; nine steps of the cell, written out."""
    cell = hidden = jnp.zeros((histories.shape[0], params["hidden"].shape[0]))
    for step in range(histories.shape[1]):
        gates = histories[:, step : step + 1] @ params["input"] + hidden @ params["hidden"] + params["bias"]
        enter, forget, candidate, leave = jnp.split(gates, 4, 1)
        cell = cell * jax.nn.sigmoid(forget) + jax.nn.sigmoid(enter) * jnp.tanh(candidate)
        hidden = jnp.tanh(cell) * jax.nn.sigmoid(leave)
    return jnp.mean(jnp.square(hidden @ params["weight"] + params["shift"] - labels))


@functools.partial(jax.jit, donate_argnums=0)
def train_epoch(state: Tree, histories: jax.Array, labels: jax.Array) -> tuple[Tree, jax.Array]:
    """All batches of stacks [batches, batch, …]; the losses float32 [batches]."""

    def step(state: Tree, batch: tuple[jax.Array, jax.Array]) -> tuple[Tree, jax.Array]:
        params, memory = state
        loss, gradients = jax.value_and_grad(loss_of)(params, *batch)
        updates, memory = OPTIMIZER.update(gradients, memory, params)
        return (optax.apply_updates(params, updates), memory), loss

    return lax.scan(step, state, (histories, labels))


def scan(task: Task) -> Figures:
    """Epochs over arrays that the file was read into."""
    histories, labels = (jnp.asarray(stack) for stack in lstm_values.batches(task))
    epoch = histories.shape[0]

    def train(state: Tree, steps: int) -> Tree:
        for _ in range(steps // epoch):
            state, losses = train_epoch(state, histories, labels)
        if steps % epoch:
            state, losses = train_epoch(state, histories[: steps % epoch], labels[: steps % epoch])
        losses.block_until_ready()
        return state

    loss = None
    if task["check"]:
        params, _ = train(begin(task["units"]), task["check_steps"])
        loss = float(loss_of(params, histories.reshape(-1, histories.shape[-1]), labels.reshape(-1, 1)))
    state = begin(task["units"])

    def go_on(steps: int) -> None:
        nonlocal state
        state = train(state, steps)

    return Figures(rate=steps_per_second(task, go_on), loss=loss)
