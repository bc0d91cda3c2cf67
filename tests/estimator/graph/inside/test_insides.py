"""One test for each private name of TensorFlow and Keras: the first to run against a new release of either.

    pip install --upgrade tensorflow-cpu keras && python -m pytest tests/estimator/graph/inside

A test that fails says which name is gone or behaves otherwise; its module in trainer/estimator/graph/inside says what
it was used for. When all pass, and the rest of the tests too, raise the upper bounds in setup.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.inside import (
    copying,
    files,
    graph_variables,
    graphs,
    iterators,
    keras_models,
    keras_names,
    makers,
    model_graph,
    optimizers,
    python_functions,
    random_ops,
    resources,
    seeds,
    slices,
    summaries,
    tensor_infos,
)

V1 = tf.compat.v1


def traced(body: Callable[..., Any], *signature: tf.TypeSpec, collections: Any = (), xla: bool = False) -> tf.Graph:
    def run(*arguments: tf.Tensor) -> None:
        body(*arguments)

    return graphs.traced("canary", run, signature, dict(collections), xla=xla)


def types(graph: tf.Graph) -> list[str]:
    return [op.type for op in graph.get_operations()]


# Function graphs


def test_func_graph_from_py_func_builds_what_the_body_does_and_keeps_the_collections_that_it_is_given() -> None:
    kept: list[Any] = []
    variable = tf.Variable(1.0)

    def body(x: tf.Tensor) -> None:
        V1.add_to_collection("mine", x)
        variable.assign_add(x)
        variable.assign_add(x)

    graph = traced(body, tf.TensorSpec([]), collections={"mine": kept})
    assert len(kept) == 1, "FuncGraph copies the collections; creator.RegularizationLosses would not be read"
    first, second = (op for op in graph.get_operations() if op.type == "AssignAddVariableOp")
    assert first not in second.control_inputs, "func_graph_from_py_func adds control dependencies that nobody asked for"


@pytest.mark.parametrize("keep", [True, False])
def test_a_branch_asks_the_graph_around_it_whether_to_keep_program_order(keep: bool) -> None:
    variable = tf.Variable(1.0)

    def branch() -> tf.Tensor:
        variable.assign(2.0)
        return variable.read_value()

    def body(x: tf.Tensor) -> None:
        graphs.keep_program_order_in_branches(V1.get_default_graph(), keep=keep)
        tf.cond(x > 0.0, branch, lambda: tf.constant(0.0))

    (function,) = [
        function
        for function in traced(body, tf.TensorSpec([])).as_graph_def().library.function
        if any(node.op == "AssignVariableOp" for node in function.node_def)
    ]
    (read,) = [node for node in function.node_def if node.op == "ReadVariableOp"]
    assert any(name.startswith("^") for name in read.input) is keep, "FuncGraph._add_control_dependencies is not asked"


def test_the_xla_scope_bounds_the_lists_that_a_loop_keeps_for_its_gradient() -> None:
    def body(x: tf.Tensor) -> None:
        y = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * x), [0, x], maximum_iterations=3)[1]
        tf.gradients(y, x)

    lists = [op for op in traced(body, tf.TensorSpec([]), xla=True).get_operations() if op.type == "EmptyTensorList"]
    sizes = [int(tf.get_static_value(op.inputs[1])) for op in lists]
    assert sizes and set(sizes) <= {3}, "XLAControlFlowContext no longer bounds loops; XLA refuses their gradients"


def test_auto_control_deps_utils_tells_which_handles_an_op_reads_and_writes() -> None:
    variable = tf.Variable(1.0)

    def body(x: tf.Tensor) -> None:
        variable.assign_add(x)
        tf.cond(x > 0.0, lambda: variable.assign(x), lambda: variable.value())
        variable.read_value()

    graph = traced(body, tf.TensorSpec([]))
    handle = graph.captures[0][1]
    accesses = {op.type: tuple(map(list, graphs.accessed(op))) for op in graph.get_operations()}
    same = {kind: tuple([one is handle for one in part] for part in parts) for kind, parts in accesses.items()}
    assert same["AssignAddVariableOp"] == ([], [True])
    assert same["ReadVariableOp"] == ([True], [])
    assert same["If"] == ([], [True]), "branches are not looked into"


def test_an_op_is_made_to_wait_for_another_one() -> None:
    def body(x: tf.Tensor) -> None:
        first, second = tf.identity(x).op, tf.identity(x).op
        graphs.run_after(second, [first])
        assert list(second.control_inputs) == [first], "Operation._add_control_inputs does not add them"

    traced(body, tf.TensorSpec([]))


def test_a_graph_takes_another_tensor_of_outside_under_the_same_placeholder() -> None:
    old, new = tf.Variable(1.0), tf.Variable(2.0)
    graph = traced(lambda: old.read_value())
    inner = graph.captures[0][1]
    graphs.recapture(graph, old.handle, new.handle, inner)
    assert [(outer is new.handle, placeholder is inner) for outer, placeholder in graph.captures] == [(True, True)]
    assert graph.capture(new.handle) is inner


def test_an_op_is_copied_into_another_graph_with_its_device_and_what_is_known_of_its_handle() -> None:
    @tf.function
    def double(x: tf.Tensor) -> tf.Tensor:
        return 2.0 * x

    variable = tf.Variable([1.0, 2.0])

    def body() -> None:
        double(variable.read_value())

    source, target = traced(body), copying.FuncGraph("target")
    handle = source.captures[0][1]
    call = next(op for op in source.get_operations() if op.type in ("PartitionedCall", "StatefulPartitionedCall"))
    read = next(op for op in source.get_operations() if op.type == "ReadVariableOp")
    copying.add_functions(source, target)
    with target.as_default():
        inner = V1.placeholder(tf.resource, [])
        copying.copy_handle_data(handle, inner)
        attributes = dict(read.node_def.attr)
        value = copying.create(target, read, [inner], attributes, "/device:CPU:0").outputs[0]
        copied = copying.create(target, call, [value], dict(call.node_def.attr), "")
        other = V1.placeholder(tf.resource, [])
        copying.set_handle_data(other, tf.TensorShape([3]), tf.float32)
        assert tf.raw_ops.ReadVariableOp(resource=other, dtype=tf.float32).shape == [3]
    assert (value.shape, value.device, copied.type) == ([2], "/device:CPU:0", call.type)
    function = call.get_attr("f").name
    assert copying.is_function(target, function) and not copying.is_function(target, "ReadVariableOp")
    assert function in {one.signature.name for one in target.as_graph_def().library.function}


# Variables


def made() -> list[makers.Maker]:
    """Who makes the variables of two Keras layers, a metric, and the slots of three optimizers, in this order."""
    seen: list[makers.Maker] = []

    def create(next_creator: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
        seen.append(makers.now())
        return next_creator(**kwargs)

    with keras_names.from_zero(), tf.variable_creator_scope(create):
        layer = keras.layers.Dense(1, use_bias=False)
        layer.build([None, 2])
        optimizer = keras.optimizers.SGD(momentum=0.9)
        optimizer.build(layer.trainable_variables)
        keras.metrics.Mean()
        weight = tf.Variable([1.0])
        V1.train.MomentumOptimizer(0.1, 0.9).apply_gradients([(tf.constant([1.0]), weight)])
    return seen


def test_the_stack_tells_who_makes_a_variable() -> None:
    kernel, iteration, rate, momentum, total, count, weight, slot = made()
    assert kernel.variable is not None and kernel.variable.path == "dense/kernel", "Variable._initialize has moved"
    assert isinstance(kernel.caller, keras.layers.Dense), "Keras keeps its open scopes under another name"
    assert isinstance(iteration.caller, keras.optimizers.SGD) and iteration.primary is None
    assert rate.variable is not None and rate.variable.path == "sgd/learning_rate"
    assert momentum.primary is kernel.variable, "add_variable_from_reference calls what it is given otherwise"
    assert all(isinstance(maker.caller, keras.metrics.Mean) for maker in (total, count))
    assert (weight.variable, weight.primary, weight.caller) == (None, None, None)
    assert slot.primary is not None and slot.primary.shape == [1], "slot_creator._create_slot_var has moved"


def test_keras_counts_names_in_each_thread_and_goes_on_afterwards() -> None:
    before = keras.layers.Dense(1).name
    with keras_names.from_zero():
        assert [keras.layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"], "object_name_uids has moved"
        keras.random.normal([1])
    assert keras.layers.Dense(1).name not in (before, "dense")


def test_a_slot_of_a_part_says_which_slice_it_is() -> None:
    part = tf.Variable([1.0, 2.0], name="emb/part_0")
    slices.set_info(part, tf.Variable.SaveSliceInfo("emb", [4], [0], [2]))
    slot = tf.Variable([0.0, 0.0], name="emb/part_0/Adam")
    slices.give_slot_its_slice(slot, part)
    info = slices.info_of(slot)
    assert (info.full_name, info.full_shape, info.var_offset, info.var_shape) == ("emb/Adam", [4], [0], [2])
    assert slices.info_of(part).full_name == "emb"
    of_scope = tf.Variable([0.0, 0.0], name="dnn/emb/part_0/Adam")
    slices.give_slot_its_slice(of_scope, part)
    assert slices.info_of(of_scope).full_name == "emb/t_0/Adam", "tf.estimator cut the name of a slot by length"
    optimizer = V1.train.MomentumOptimizer(0.1, 0.9)
    optimizer.apply_gradients([(tf.constant([1.0, 1.0]), part)])  # asks primary.op where it finds that info true
    assert part.numpy() == pytest.approx([0.9, 1.9])


def test_a_stand_in_is_a_variable_without_a_value() -> None:
    blank = graph_variables.stand_in("w", tf.TensorShape([3]), tf.float32, trainable=True)
    assert isinstance(blank, tf.Variable) and blank.shape == [3] and blank.trainable
    assert not tf.raw_ops.VarIsInitializedOp(resource=blank.handle), "the variable has been given a value"


# Optimizers


def test_keras_returns_a_train_op_inside_of_a_trace_and_nothing_outside() -> None:
    weight = tf.Variable([1.0])
    optimizer = keras.optimizers.SGD(0.5)
    assert optimizer.apply([tf.constant([1.0])], [weight]) is None
    found: list[Any] = []

    def body() -> None:
        with optimizers.traced():
            found.append(optimizer.apply([tf.constant([1.0])], [weight]))
            found.append(optimizer.apply_gradients([(tf.constant([1.0]), weight)]))

    traced(body)
    assert [tf.is_tensor(train_op) for train_op in found] == [True, True]


@pytest.mark.parametrize("kind", ["keras", "loss scale", "version 1"])
def test_every_optimizer_applies_the_means_that_it_is_given_once(kind: str) -> None:
    weight, asked = tf.Variable([1.0]), list[int]()
    plain = keras.optimizers.SGD(0.5)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=1.0)
    kinds = {"keras": plain, "loss scale": scaled, "version 1": V1.train.GradientDescentOptimizer(0.5)}
    for optimizer in (plain, scaled):
        optimizer.build([weight])

    def average(gradients: Any) -> list[tf.Tensor]:
        asked.append(len(gradients))
        return [tf.constant([4.0]) for _ in gradients]

    def body() -> None:
        with optimizers.traced(), optimizers.averaging(average):
            kinds[kind].apply_gradients([(tf.constant([1.0]), weight)])

    tf.function(body, autograph=False)()
    assert asked == [1]
    assert weight.numpy().tolist() == [-1.0], "the optimizer takes its gradients by another way"


def test_optimizers_of_version_1_understand_the_weights_of_keras() -> None:
    layer = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    layer.build([None, 1])

    def body() -> None:
        with optimizers.traced():
            loss = tf.reduce_sum(layer(tf.constant([[2.0]])))
            V1.train.GradientDescentOptimizer(0.5).minimize(loss, var_list=layer.trainable_weights)

    tf.function(body, autograph=False)()
    assert layer.kernel.numpy().tolist() == [[0.0]]


# Random numbers

DRAWS: dict[str, Callable[[], tf.Tensor]] = {
    "random_uniform": lambda: tf.random.uniform([2]),
    "random_uniform_int": lambda: tf.random.uniform([2], 0, 9, tf.int32),
    "random_standard_normal": lambda: tf.random.normal([2]),
    "truncated_normal": lambda: tf.random.truncated_normal([2]),
}


@pytest.mark.parametrize("kind", random_ops.KINDS)
def test_random_ops_of_a_trace_are_made_by_their_twins(kind: str) -> None:
    asked: list[dict[str, Any]] = []

    def twin(*args: Any, **kwargs: Any) -> tf.Tensor:
        asked.append(kwargs)
        return tf.zeros([2], tf.int32 if kind == "random_uniform_int" else tf.float32)

    def body() -> None:
        with random_ops.made_by(V1.get_default_graph(), {kind: twin}):
            DRAWS[kind]()

    graph = traced(body)
    assert len(asked) == 1, f"tf.random no longer calls gen_random_ops.{kind}"
    assert {"seed", "seed2"} <= set(asked[0])
    assert not any("Random" in name or "Truncated" in name for name in types(graph))
    assert DRAWS[kind]().shape == [2]


def test_seeds_are_set_inside_and_put_back_afterwards() -> None:
    def draw() -> list[float]:
        return [*tf.random.uniform([2]).numpy().tolist(), random.random()]

    tf.random.set_seed(1)
    random.seed(1)
    expected = [draw(), draw()]
    tf.random.set_seed(1)
    random.seed(1)
    first = draw()
    with seeds.seeded(7):
        inside = draw()
    assert [first, draw()] == expected, "the context keeps its seed under another name"
    with seeds.seeded(7):
        assert draw() == inside


# Summaries, tables, iterators and files


def test_summaries_are_recorded_on_a_writer_that_is_fed() -> None:
    step = tf.Variable(3, dtype=tf.int64)
    kept: list[tuple[str, tuple[int, ...], bytes]] = []

    def keep(tag: str, value: tf.Tensor, metadata: bytes) -> None:
        kept.append((tag, tuple(value.shape), metadata[:0]))

    def in_a_branch(x: tf.Tensor) -> tf.Tensor:
        tf.summary.scalar("c", x)
        V1.summary.scalar("d", x)
        V1.summary.histogram("e", tf.stack([x, x]))
        return x

    def recording(x: tf.Tensor) -> None:
        with summaries.recorded(step, keep):
            tf.summary.scalar("a", x)
            V1.summary.scalar("b", x)
            tf.cond(x > 0, lambda: in_a_branch(x), lambda: x)

    writes = [op for op in traced(recording, tf.TensorSpec([])).get_operations() if op.type == "WriteSummary"]
    assert [tf.get_static_value(op.inputs[3]) for op in writes] == [b"a", b"b"]
    assert {op.inputs[0].op.type for op in writes} == {"Placeholder"}
    assert kept == [("c", (), b""), ("d", (), b""), ("e", (30, 3), b"")]


@pytest.mark.parametrize("kind", ["image", "audio", "text"])
def test_summaries_of_version_1_are_said_again_as_tensors(kind: str) -> None:
    def recording() -> None:
        with summaries.recorded(tf.Variable(3, dtype=tf.int64), lambda *_: None), tf.name_scope("scope"):
            match kind:
                case "image":
                    V1.summary.image(kind, tf.zeros([5, 4, 4, 1]), max_outputs=2)
                case "audio":
                    V1.summary.audio(kind, tf.zeros([2, 100]), 8000)
                case "text":
                    V1.summary.text(kind, tf.constant("words"))

    (write,) = [op for op in traced(recording).get_operations() if op.type == "WriteSummary"]
    assert tf.get_static_value(write.inputs[3]).item().decode().startswith(f"scope/{kind}")


# The graph of a model function


def test_a_model_graph_is_one_of_version_1_to_the_code_in_it() -> None:
    outer = tf.Variable(2.0)

    def body(x: tf.Tensor) -> None:
        graph = V1.get_default_graph()
        assert not V1.executing_eagerly_outside_functions()
        with tf.init_scope():
            assert V1.get_default_graph() is graph
        assert {x: 1}[x] == 1 and x in [x] and len({outer, outer}) == 1 and (x == tf.ones([])) is False
        tf.cond(x > 0, lambda: x * outer, lambda: x)  # builds a branch, and captures the variable
        with model_graph.outside():
            assert tf.executing_eagerly()
            assert tf.ones([]).numpy() == 1.0
        assert model_graph.model_graph() is graph

    graph = traced(body, tf.TensorSpec([]))
    assert [op.type for op in graph.get_operations() if op.type in {"If", "StatelessIf"}]
    assert [id(outside) for outside, _ in graph.captures] == [id(outer.handle)]
    assert model_graph.model_graph() is None


def test_ops_outside_of_a_model_graph_run_on_the_device_that_it_says() -> None:
    seen = []

    def body() -> None:
        with tf.device("/cpu:0"), model_graph.outside():
            seen.append(tf.ones([]).device)

    traced(body)
    assert seen[0].endswith("CPU:0")


def test_a_variable_shows_its_op_and_graph_while_a_model_graph_is_built() -> None:
    with tf.variable_creator_scope(graph_variables.make):
        weight = tf.Variable(1.0, name="w")

    def body(x: tf.Tensor) -> None:
        graph = V1.get_default_graph()
        graph_variables.show(graph, weight, "scope/w")
        assert weight.op.name == "scope/w" and weight.graph is graph
        tf.cond(x > 0, lambda: x * float(weight.op.name == "scope/w"), lambda: x)

    traced(body, tf.TensorSpec([]))
    with pytest.raises(AttributeError):
        _ = weight.op


def test_resources_are_listed_by_the_thread_that_makes_them() -> None:
    def table() -> tf.lookup.StaticHashTable:
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)

    with resources.listed() as outer:
        first = table()
        with resources.listed() as inner:
            second = table()
    table()
    assert (outer, inner) == ([first], [second])


def test_tables_that_nothing_changes_are_told_from_others() -> None:
    made = [
        tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0),
        tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0),
        tf.compat.v1.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0),
    ]
    assert [id(one) for one in resources.constant_tables(made)] == [id(made[at].resource_handle) for at in (0, 2)]


def test_a_table_is_filled_with_values_of_outside() -> None:
    kept: list[Any] = []

    def body() -> None:
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(["a"]), tf.constant([1]))
        kept.append(tf.lookup.StaticHashTable(initializer, -1))

    graph = traced(body)
    assert graph.get_collection(V1.GraphKeys.TABLE_INITIALIZERS), "nothing tells what fills a table"
    resources.settle_initializer(kept[0], tf.get_static_value)
    initializer = kept[0]._initializer
    assert initializer._keys.numpy().tolist() == [b"a"]
    assert initializer._values.numpy().tolist() == [1]


def test_the_makers_of_iterators_are_met_by_all_of_their_names() -> None:
    dataset = V1.data.Dataset.range(3)
    with iterators.iterators_meet(lambda met: met):
        assert dataset.make_one_shot_iterator() is dataset
        assert V1.data.make_one_shot_iterator(dataset) is dataset
        assert dataset.make_initializable_iterator() is dataset
        assert V1.data.make_initializable_iterator(dataset) is dataset
        with tf.Graph().as_default():
            assert isinstance(V1.data.Dataset.range(3).make_one_shot_iterator(), V1.data.Iterator)
    assert int(dataset.make_one_shot_iterator().get_next()) == 0


def test_an_iterator_of_a_graph_is_initialized_with_its_dataset() -> None:
    with tf.Graph().as_default():
        iterator = iterators.in_graph(V1.data.Dataset.range(3).map(lambda x: (x, None)))
        following, nothing = iterator.get_next()
        with V1.Session() as session:
            session.run(iterator.initializer)
            assert [session.run(following) for _ in range(2)] == [0, 1] and nothing is None


def test_an_op_calls_a_python_function_by_a_name_of_ours() -> None:
    def shout(text: bytes) -> bytes:
        return text.upper()

    python_functions.define("tests.shout", shout)
    said = tf.raw_ops.PyFuncStateless(input=[tf.constant("a")], token="tests.shout", Tout=[tf.string])
    assert said[0].numpy() == b"A"


def test_the_state_of_checkpoints_is_the_message_that_tf_train_reads(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "a-1"\n')
    assert isinstance(tf.train.get_checkpoint_state(str(tmp_path)), files.CheckpointState)


# Compiled Keras models


def compiled() -> keras.Model:
    first, second = keras.Input([2], name="first"), keras.Input([2], name="second")
    out = keras.layers.Dense(1, name="out")(keras.layers.Add(name="sum")([first, second]))
    other = keras.layers.Dense(1, name="other")(second)
    model = keras.Model({"first": first, "second": second}, [out, other])
    model.compile(loss=["mse", "mse"], metrics=[["mae"], ["mse"]], weighted_metrics=[[], ["mae"]])
    x = np.zeros([4, 2], np.float32)
    model.evaluate({"first": x, "second": x}, [x[:, :1], x[:, :1]], verbose=0)
    return model


def test_a_compiled_model_tells_its_arguments_metrics_and_inputs() -> None:
    model = compiled()
    assert keras_models.compile_arguments(model)["metrics"] == [["mae"], ["mse"]]
    metrics = [(output, metric.name) for output, metric in keras_models.compiled_metrics(model)]
    assert metrics == [("out", "mae"), ("other", "mse"), ("other", "mae")]
    assert keras_models.input_names(model) == [{"first", "sum_input"}, {"second", "sum_input", "other_input"}]
    assert set(keras_models.input_structure(model)) == {"first", "second"}


def test_a_sparse_tensor_of_a_graph_is_described_by_its_three_parts() -> None:
    with tf.Graph().as_default():
        sparse = V1.sparse_placeholder(tf.int64, [None, 2], name="ids")
        assert tensor_infos.tensor_info(sparse).coo_sparse.values_tensor_name == "ids/values:0"
        ragged = tensor_infos.tensor_info(V1.ragged.placeholder(tf.int64, 1))
        assert len(ragged.composite_tensor.components) == 2
