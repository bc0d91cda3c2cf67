"""Canaries: what is read of traces is in those that TensorFlow writes now."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.inside import traces


def test_a_trace_has_the_operations_of_a_program_and_those_that_made_them(tmp_path: pathlib.Path) -> None:
    def twice(x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, tf.tanh(x), name="a_product")

    x = tf.ones([64, 64])
    compiled, graph = tf.function(twice, jit_compile=True), tf.function(twice)
    compiled(x), graph(x)
    tf.profiler.experimental.start(str(tmp_path))
    with tf.profiler.experimental.Trace("ours"):
        compiled(x), graph(x)
    tf.profiler.experimental.stop()
    (file,) = tmp_path.rglob("*.xplane.pb")
    trace = traces.read(file)
    by_xla = {name for thread in trace.threads for name in np.array(thread.names)[thread.compiled]}
    assert any(trace.origins.get(name, "").endswith("a_product") for name in by_xla)
    names = {name for thread in trace.threads for name in thread.names}
    # Some processors have a kernel of their own, as _MklMatMul.
    assert any(name.startswith("a_product:") and name.endswith("MatMul") for name in names)
    assert any(name.startswith("CpuExecutable::") for name in names)
    assert any(name.startswith("EagerExecute") for name in names)
    (ours,) = (thread for thread in trace.threads if "ours" in thread.names)
    at = ours.names.index("ours")
    inside = [thread for thread in trace.threads if thread.compiled.any()]
    assert all((ours.begins[at] <= thread.begins[thread.compiled]).all() for thread in inside)
    assert all((thread.ends[thread.compiled] <= ours.ends[at]).all() for thread in inside)
