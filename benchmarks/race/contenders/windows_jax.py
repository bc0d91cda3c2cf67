"""DLinear in JAX: an epoch in one `lax.scan`, windows gathered in it, optax's Adam, donated state."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from benchmarks.race.contenders import windows_values
from benchmarks.race.contenders.task import Figures, Task, steps_per_second
from benchmarks.race.contenders.windows_values import CHECKED_BATCHES, HORIZON, LOOKBACK, START, TREND_WIDTH

Tree = Any
OPTIMIZER = optax.adam(windows_values.LEARNING_RATE)


def begin() -> Tree:
    """The parameters and the state of the optimizer."""
    linear = {"kernel": jnp.full((LOOKBACK, HORIZON), START), "bias": jnp.zeros(HORIZON)}
    params = {"remainder": linear, "trend": jax.tree.map(jnp.copy, linear)}
    return params, OPTIMIZER.init(params)


def forecast(params: Tree, history: jax.Array) -> jax.Array:
    """float32 [batch, columns, 336] to [batch, columns, 96]."""
    padded = jnp.pad(history, ((0, 0), (0, 0), (TREND_WIDTH // 2,) * 2), mode="edge")
    trend = lax.reduce_window(padded, 0.0, lax.add, (1, 1, TREND_WIDTH), (1, 1, 1), "VALID") / TREND_WIDTH
    remainder = history - trend
    parts = ((params["remainder"], remainder), (params["trend"], trend))
    return sum(values @ linear["kernel"] + linear["bias"] for linear, values in parts)


def loss_of(params: Tree, series: jax.Array, starts: jax.Array) -> jax.Array:
    """float32 [] of the windows of series [columns, rows] that begin at starts [batch]."""
    cut = functools.partial(lax.dynamic_slice_in_dim, series, slice_size=LOOKBACK + HORIZON, axis=1)
    windows = jax.vmap(cut)(starts)
    return jnp.mean(jnp.square(forecast(params, windows[..., :LOOKBACK]) - windows[..., LOOKBACK:]))


@functools.partial(jax.jit, donate_argnums=0)
def train_on(state: Tree, series: jax.Array, order: jax.Array) -> tuple[Tree, jax.Array]:
    """Batches of windows that begin at order [batches, batch]; the losses float32 [batches]."""

    def step(state: Tree, starts: jax.Array) -> tuple[Tree, jax.Array]:
        params, memory = state
        loss, gradients = jax.value_and_grad(loss_of)(params, series, starts)
        updates, memory = OPTIMIZER.update(gradients, memory, params)
        return (optax.apply_updates(params, updates), memory), loss

    return lax.scan(step, state, order)


def scan(task: Task) -> Figures:
    """Epochs over the series as an array on the device."""
    series, order = jnp.asarray(windows_values.series(task).T), jnp.asarray(windows_values.order(task))

    def train(state: Tree, steps: int) -> Tree:
        whole, rest = divmod(steps, len(order))
        for part in [order] * whole + [order[:rest]] * (rest > 0):
            state, losses = train_on(state, series, part)
        losses.block_until_ready()
        return state

    loss = None
    if task["check"]:
        params, _ = train(begin(), task["check_steps"])
        loss = float(jnp.mean(jnp.stack([loss_of(params, series, starts) for starts in order[:CHECKED_BATCHES]])))
    state = begin()

    def go_on(steps: int) -> None:
        nonlocal state
        state = train(state, steps)

    return Figures(rate=steps_per_second(task, go_on), loss=loss)
