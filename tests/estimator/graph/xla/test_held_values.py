"""Values that XLA would compute again in each loop are computed once, and are the same bits."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.pruning import prune
from trainer.estimator.graph.subgraphs import in_order
from trainer.estimator.graph.xla.held_values import Holding, worth_holding
from trainer.estimator.graph.xla.rules import ForXla

SHAPE = [16, 32]


def chain(links: int) -> Any:
    """A step whose every link gives a result of its own, and goes on to the next, as a gradient through time does."""

    def step(rows: tf.Tensor) -> list[tf.Tensor]:
        value, results = rows, []
        for link in range(links):
            value = tf.add_n([value * (rows + float(link)), tf.square(rows) - value])
            results += [tf.reduce_max(value * tf.abs(rows - number), 0) for number in (1.0, 2.0, 3.0)]
        return [tf.reduce_sum(value), *results]

    return tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec(SHAPE)).graph


def multiplications(function: Any) -> int:
    """That XLA writes into its loops for a function of rows [16, 32]."""
    compiled = tf.function(function, jit_compile=True, autograph=False)
    text = compiled.experimental_get_compiler_ir(tf.ones(SHAPE))(stage="optimized_hlo")
    return len(re.findall(r" multiply\(", text))


def test_a_chain_is_computed_once_whatever_its_length() -> None:
    def counts(rule: Any) -> list[int]:
        graphs = [chain(links) for links in (4, 8)]
        return [multiplications(prune(graph, graph.outputs, feeds=graph.inputs, rule=rule)) for graph in graphs]

    short, long = counts(None)
    assert long > 3 * short, "XLA no longer computes what several loops take in each of them: this rule can go"
    short, long = counts(ForXla)
    assert long < 2.5 * short


def test_the_bits_stay_as_they_are() -> None:
    graph = chain(6)
    rows = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    plain, held = (prune(graph, graph.outputs, feeds=graph.inputs, rule=rule) for rule in (None, ForXla))
    assert any(op.type == "RealDiv" for op in held.graph.get_operations())
    for one, other in zip(plain(tf.constant(rows)), held(tf.constant(rows)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("special", [np.nan, np.inf, -0.0, 1e-30])
def test_every_number_is_itself(special: float) -> None:
    @tf.function(autograph=False)
    def held(rows: tf.Tensor) -> tf.Tensor:
        return Holding().held(rows)

    rows = np.full(SHAPE, special, np.float32)
    np.testing.assert_array_equal(held(tf.constant(rows)).numpy().view(np.uint32), rows.view(np.uint32))


def test_short_chains_single_loops_and_whole_numbers_are_left_alone() -> None:
    def step(rows: tf.Tensor, counts: tf.Tensor) -> list[tf.Tensor]:
        short, alone = rows * 2.0 + 1.0, tf.square(tf.abs(rows - 1.0) + rows) * 3.0
        whole = tf.square(tf.abs(counts - 1) + counts) * 3
        return [
            *(tf.reduce_max(short * number) for number in (1.0, 2.0, 3.0)),
            tf.reduce_sum(alone),
            *(tf.reduce_max(whole - number) for number in range(5)),
        ]

    specs = [tf.TensorSpec(SHAPE), tf.TensorSpec(SHAPE, tf.int32)]
    graph = tf.function(step, autograph=False).get_concrete_function(*specs).graph
    assert worth_holding(in_order(graph, set(graph.get_operations()))) == set()
