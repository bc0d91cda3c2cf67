"""The order of training: a stateless shuffle, computed for any position without looking at the ones before it.

Swap-or-not (Hoang, Morris and Rogaway, CRYPTO 2012) permutes 0 … n-1 for any n by a few rounds of arithmetic on each
position. A job can so begin anywhere in its data, and the state of its input pipeline is one number.
(`tf.random_index_shuffle` does the like, but has 256 orders for up to 65,536 examples, and takes n's inverse in time.)
"""

from __future__ import annotations

from typing import Any

ROUNDS = 24
"""Twelve leave a trace in the statistics of small n; from sixteen on none was found."""


def shuffled(positions: Any, count: Any, seed: int) -> Any:
    """Which examples stand at some positions of an endless, shuffled training.

    Position p belongs to epoch p // count; every epoch has another order, and holds every example once.

    Args:
      positions: int64 [n], ascending.
      count: int64 [], examples in an epoch, below 2^31.
      seed: any integer.

    Returns:
      int32 [n], numbers of examples.
    """
    import tensorflow as tf

    epochs = positions // count
    row = tf.cast(epochs - epochs[0], tf.int32)
    size = tf.cast(count, tf.int32)
    pivots, salts = _keys(tf.range(epochs[0], epochs[-1] + 1), seed)
    pivots = tf.math.floormod(pivots, size)

    def swap_or_not(number: Any, index: Any) -> tuple[Any, Any]:
        mirrored = tf.gather(pivots[number], row) - index
        partner = tf.where(mirrored < 0, mirrored + size, mirrored)
        swap = _mixed(tf.bitwise.bitwise_xor(tf.maximum(index, partner), tf.gather(salts[number], row))) < 0
        return number + 1, tf.where(swap, partner, index)

    start = tf.constant(0), tf.cast(positions % count, tf.int32)
    return tf.while_loop(lambda number, _: number < ROUNDS, swap_or_not, start)[1]


def _keys(epochs: Any, seed: int) -> tuple[Any, Any]:
    """A pivot and a salt for each round of each epoch, int32 [ROUNDS, epochs] each."""
    import tensorflow as tf

    rounds = tf.range(2 * ROUNDS, dtype=tf.int32)[:, tf.newaxis] * _wrapped(0x9E3779B9)
    start = _wrapped(_mixed_number(_mixed_number(seed) + (seed >> 32)))
    base = _mixed(_mixed(tf.cast(epochs, tf.int32) + start) + tf.cast(epochs // (1 << 32), tf.int32))
    keys = _mixed(base[tf.newaxis, :] + rounds)
    return keys[:ROUNDS], keys[ROUNDS:]


def _mixed(x: Any) -> Any:
    """The finaliser of MurmurHash3 on int32."""
    x = _folded(x, 16) * _wrapped(0x85EBCA6B)
    x = _folded(x, 13) * _wrapped(0xC2B2AE35)
    return _folded(x, 16)


def _mixed_number(x: int) -> int:
    """`_mixed` of a Python number, of which the low 32 bits count: it costs the graph no operation."""
    x %= 1 << 32
    x = (x ^ x >> 16) * 0x85EBCA6B % (1 << 32)
    x = (x ^ x >> 13) * 0xC2B2AE35 % (1 << 32)
    return x ^ x >> 16


def _folded(x: Any, bits: int) -> Any:
    """x xor (x >> bits), with zeros shifted in: an arithmetic shift would clear every sign."""
    import tensorflow as tf

    high = tf.bitwise.bitwise_and(tf.bitwise.right_shift(x, bits), (1 << (32 - bits)) - 1)
    return tf.bitwise.bitwise_xor(x, high)


def _wrapped(number: int) -> int:
    """The low 32 bits as a signed integer."""
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)
