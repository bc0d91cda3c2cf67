"""The private names of TensorFlow's coordinator and collectives, each in a process whose cluster is its own."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from tests.deadlines import JOB_SECS

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parents[4]

COORDINATOR = """
import socket
import tensorflow as tf
from trainer.estimator.graph.inside import coordinator as inside

def free():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"

V1 = tf.compat.v1
spec = tf.train.ClusterSpec({"worker": [free(), free()], "ps": [free()]})
servers = [tf.distribute.Server(spec, job, index) for job, index in [("worker", 0), ("worker", 1), ("ps", 0)]]
resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, rpc_layer="grpc")
halves = V1.fixed_size_partitioner(2)
strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=halves)
assert inside.take_partitioner(strategy) is halves, "the strategy keeps its partitioner under another name"
with strategy.scope():
    variable = tf.Variable(tf.zeros([4, 2]))
assert isinstance(variable, tf.Variable) and variable.shape == [4, 2], "the partitioner still decides"

coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
makers = [lambda index=index: iter(tf.data.Dataset.from_tensors(index).repeat()) for index in range(2)]
iterators = inside.resources_of_workers(coordinator, makers, tf.data.IteratorSpec(tf.TensorSpec([], tf.int32)))
step = tf.function(lambda iterator: next(iterator), autograph=False)
called = [coordinator.schedule(step, args=(iterators,)) for _ in range(20)]
for one in called:
    inside.wait(one, 60.0)
    assert inside.is_done(one), "a scheduled call says that it is done by another name"
assert {one.fetch() for one in called} <= {0, 1}
print("right", flush=True)
import os
os._exit(0)  # the servers have no end
"""

ABORT = """
import threading
import tensorflow as tf
from trainer.estimator.graph.inside import collectives

def alone():
    reduce = tf.function(lambda x: tf.raw_ops.CollectiveReduceV2(
        input=x, group_size=2, group_key=1, instance_key=1, ordering_token=[], merge_op="Add", final_op="Id"))
    try:
        reduce(tf.constant([1.0]))
    except tf.errors.AbortedError as error:
        said.append(str(error))

said = []
assert not collectives.has_computed(), "Context._context_handle is there before anything was computed"
tf.constant(1.0)
assert collectives.has_computed(), "Context._context_handle does not tell that something was computed"
waiting = threading.Thread(target=alone)
waiting.start()
while waiting.is_alive():
    collectives.abort("the other one is gone")
    waiting.join(0.2)
assert "the other one is gone" in said[0], "Context.abort_collective_ops does not end what waits"
print("right", flush=True)
"""


@pytest.mark.parametrize("code", [COORDINATOR, ABORT], ids=["coordinator", "abort"])
def test_the_private_names_do_what_they_did(forking_python: pathlib.Path, code: str) -> None:
    ended = subprocess.run(
        [forking_python, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=JOB_SECS, check=False
    )
    assert ended.stdout == "right\n", ended.stderr
