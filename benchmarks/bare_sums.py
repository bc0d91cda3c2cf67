"""Sums over two processes and nothing else: what TensorFlow's gRPC collectives can do at the most.

    TF_CONFIG=… python -m benchmarks.bare_sums sum|gathering VALUES STEPS

Each process says how many a second it has made: 200 in a call, as steps are made, of float32 vectors.
"""

from __future__ import annotations

import json
import os
import sys
import time

import tensorflow as tf

CALL_STEPS = 200


def main(kind: str, values: int, steps: int) -> None:
    """Half of the sums as a warm-up, and those that are timed."""
    tf.distribute.MultiWorkerMirroredStrategy()  # connects
    task = json.loads(os.environ["TF_CONFIG"])["task"]
    group = {
        "group_size": 2,
        "group_key": 777,
        "instance_key": 5000,
        "ordering_token": [],
        "communication_hint": "ring",
    }

    def one(vector: tf.Tensor) -> tf.Tensor:
        """The sum [values] of both vectors, or of a gathering of them."""
        if kind == "sum":
            return tf.raw_ops.CollectiveReduceV2(input=vector, merge_op="Add", final_op="Id", **group)
        rows = tf.raw_ops.CollectiveGatherV2(input=vector[None], **group)
        return tf.add_n(tf.unstack(tf.ensure_shape(rows, [2, values])))

    @tf.function(autograph=False)
    def call(vector: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(
            lambda index, _: index < CALL_STEPS,
            lambda index, vector: (index + 1, tf.ensure_shape(0.5 * one(vector), [values])),
            [tf.constant(0), vector],
            parallel_iterations=1,
        )[1]

    calls = max(1, steps // 2 // CALL_STEPS)
    with tf.device(f"/job:worker/replica:0/task:{task['index']}/device:CPU:0"):
        vector = tf.ones([values])
        for _ in range(calls):
            vector = call(vector)
        vector.numpy()
        began = time.perf_counter()
        for _ in range(calls):
            vector = call(vector)
        vector.numpy()
    print(calls * CALL_STEPS / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
