"""What a model function may return in each mode, and what it is told otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys, TrainingHook
from trainer.estimator.contract import export

TRAIN, EVAL, PREDICT = ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT


@pytest.fixture(autouse=True)
def graph() -> Iterator[tf.Graph]:
    with tf.Graph().as_default() as made:
        yield made


def whole(mode: str, **changes: Any) -> dict[str, Any]:
    """Arguments that make a spec in the mode."""
    loss = tf.constant(1.0)
    return {"mode": mode, "predictions": {"y": tf.ones([2])}, "loss": loss, "train_op": tf.no_op(), **changes}


def test_the_modes_are_the_references_strings() -> None:
    assert (TRAIN, EVAL, PREDICT) == ("train", "eval", "infer")


def test_the_fields_are_the_references_in_their_order() -> None:
    assert EstimatorSpec._fields == (
        "mode",
        "predictions",
        "loss",
        "train_op",
        "eval_metric_ops",
        "export_outputs",
        "training_chief_hooks",
        "training_hooks",
        "scaffold",
        "evaluation_hooks",
        "prediction_hooks",
    )


@pytest.mark.parametrize(
    ("mode", "missing"),
    [(TRAIN, "loss"), (TRAIN, "train_op"), (EVAL, "loss"), (PREDICT, "predictions")],
)
def test_a_mode_names_what_it_needs(mode: str, missing: str) -> None:
    with pytest.raises(ValueError) as raised:
        EstimatorSpec(**whole(mode, **{missing: None}))
    assert str(raised.value) == (
        f"EstimatorSpec for mode {mode!r} was given no {missing}. This mode needs it. Pass {missing}=…"
    )


@pytest.mark.parametrize(
    ("mode", "absent"),
    [
        (TRAIN, {"predictions": None}),
        (EVAL, {"predictions": None, "train_op": None}),
        (PREDICT, {"loss": None, "train_op": None}),
    ],
)
def test_a_mode_does_without_what_it_does_not_need(mode: str, absent: dict[str, None]) -> None:
    spec = EstimatorSpec(**whole(mode, **absent))
    assert spec.mode == mode
    if mode != PREDICT:
        assert spec.predictions == {}


def test_a_spec_without_a_mode_needs_nothing_and_keeps_what_it_is_given() -> None:
    spec = EstimatorSpec(None)
    assert (spec.mode, spec.predictions, spec.loss, spec.train_op) == (None, {}, None, None)
    assert EstimatorSpec(**{**whole(TRAIN), "mode": None}).train_op is not None


def test_a_variable_stands_for_its_value() -> None:
    variable = tf.Variable(1.0)
    for predictions in (variable, {"w": variable}):
        spec = EstimatorSpec(**whole(EVAL, predictions=predictions, loss=variable))
        assert not any(isinstance(part, tf.Variable) for part in tf.nest.flatten([spec.predictions, spec.loss]))


def test_the_scaffold_is_an_empty_one_by_default() -> None:
    scaffold = EstimatorSpec(None).scaffold
    assert isinstance(scaffold, tf.compat.v1.train.Scaffold) and scaffold.saver is None


@pytest.mark.parametrize("name", ["predictions", "loss", "train_op", "eval_metric_ops"])
def test_a_tensor_of_another_graph_is_refused_by_name(name: str) -> None:
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    given = {"m": (foreign, foreign)} if name == "eval_metric_ops" else foreign
    with pytest.raises(ValueError, match=rf"EstimatorSpec was given {name}.* is of another graph. It takes tensors of"):
        EstimatorSpec(**whole(TRAIN, **{name: given}))
    with tf.Graph().as_default(), pytest.raises(ValueError, match="train_op.* is of another graph"):
        EstimatorSpec(**{**whole(TRAIN), "train_op": foreign.op})


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="EstimatorSpec was given mode 'predict'. It takes ModeKeys.TRAIN, EVAL or"):
        EstimatorSpec(**whole("predict"))


@pytest.mark.parametrize("shape", [[], [1], [1, 1], [None], [None, 1], None])
def test_a_loss_of_one_element_becomes_a_scalar(shape: list[int | None] | None) -> None:
    loss = tf.compat.v1.placeholder(tf.float32, shape)
    assert EstimatorSpec(**whole(EVAL, loss=loss)).loss.shape == []


@pytest.mark.parametrize("shape", [[2], [2, 1], [None, 2]])
def test_a_loss_that_is_no_scalar_is_refused(shape: list[int | None]) -> None:
    loss = tf.compat.v1.placeholder(tf.float32, shape)
    with pytest.raises(ValueError, match="A loss is a scalar. Reduce it, with tf.reduce_mean for one"):
        EstimatorSpec(**whole(TRAIN, loss=loss))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": 1.0}, "EstimatorSpec was given loss 1.0. It takes a tensor"),
        ({"predictions": {"y": 1.0}}, "EstimatorSpec was given predictions['y'] 1.0. It takes a tensor"),
        ({"predictions": [1.0]}, "EstimatorSpec was given predictions [1.0]. It takes a tensor"),
        ({"train_op": 3}, "EstimatorSpec was given train_op (or an operation) 3. It takes a tensor"),
        ({"eval_metric_ops": [1]}, "EstimatorSpec was given eval_metric_ops [1]. It takes a dict of name to metric"),
        ({"eval_metric_ops": {"m": 1}}, "EstimatorSpec was given eval_metric_ops['m'] 1. It takes a Keras metric"),
        ({"eval_metric_ops": {"m": (1, 2)}}, "eval_metric_ops['m'] (1, 2). It takes a Keras metric"),
        ({"training_hooks": [3]}, "training_hooks has 3. Hooks are objects of TrainingHook or of SessionRunHook"),
        (
            {"training_chief_hooks": [3]},
            "training_chief_hooks has 3. Hooks are objects of TrainingHook",
        ),
        ({"evaluation_hooks": [3]}, "evaluation_hooks has 3. Hooks are objects of TrainingHook or of SessionRunHook"),
        ({"prediction_hooks": 3}, "prediction_hooks is 3. It takes a list. Put it into brackets"),
        ({"scaffold": 3}, "EstimatorSpec was given scaffold 3. It takes a tf.compat.v1.train.Scaffold"),
    ],
)
def test_a_wrong_type_says_what_is_accepted(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as raised:
        EstimatorSpec(**whole(EVAL, **changes))
    assert message in str(raised.value)


def test_the_train_op_may_be_an_operation_a_tensor_or_a_variable() -> None:
    variable = tf.compat.v1.get_variable("v", [])
    for train_op in (tf.no_op(), tf.constant(1), variable):
        assert EstimatorSpec(**whole(TRAIN, train_op=train_op)).train_op is train_op


def test_metrics_are_keras_metrics_or_pairs() -> None:
    mean = keras.metrics.Mean()
    pair = (tf.constant(1.0), tf.no_op())
    metrics = {"a": mean, "b": pair}
    held = EstimatorSpec(**whole(EVAL, eval_metric_ops=metrics)).eval_metric_ops
    assert (held["a"].metric, held["b"], len(held["a"])) == (mean, pair, 2)


def test_a_keras_metric_in_a_graph_of_ones_own_is_read_and_updated_by_a_session() -> None:
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        mean = keras.metrics.Mean()
        mean.update_state([1.0, 3.0])
        value, update = EstimatorSpec(**whole(EVAL, eval_metric_ops={"m": mean})).eval_metric_ops["m"]
        session.run(tf.compat.v1.global_variables_initializer())
        assert not {variable.value.initializer for variable in mean.variables} & set(update.control_inputs)
        for _ in range(3):
            session.run(update)
        assert session.run([value, *(variable.value for variable in mean.variables)]) == [2.0, 12.0, 6.0]


def test_hooks_may_come_from_a_generator() -> None:
    hook = TrainingHook()
    assert EstimatorSpec(**whole(TRAIN, training_hooks=(hook for _ in range(1)))).training_hooks == (hook,)


@pytest.mark.parametrize("settings", [{}, {"init_fn": lambda scaffold, session: None}])
def test_a_scaffold_is_taken(settings: Any) -> None:
    scaffold = tf.compat.v1.train.Scaffold(**settings)
    assert EstimatorSpec(**whole(TRAIN, scaffold=scaffold)).scaffold is scaffold


def test_without_export_outputs_the_predictions_are_served() -> None:
    spec = EstimatorSpec(**whole(PREDICT))
    assert list(spec.export_outputs) == ["serving_default"]
    assert spec.export_outputs["serving_default"].tensors == spec.predictions


def test_a_single_export_output_is_the_default_too() -> None:
    output = export.PredictOutput(tf.ones([2]))
    assert EstimatorSpec(**whole(PREDICT, export_outputs={"mine": output})).export_outputs == {
        "mine": output,
        "serving_default": output,
    }


def test_of_several_export_outputs_one_is_the_default() -> None:
    one, other = export.PredictOutput(tf.ones([2])), export.PredictOutput(tf.zeros([2]))
    outputs = {"serving_default": one, "other": other}
    assert EstimatorSpec(**whole(PREDICT, export_outputs=outputs)).export_outputs == outputs
    with pytest.raises(ValueError, match=r"\['a', 'b'\] without a default. Of several outputs one is called"):
        EstimatorSpec(**whole(PREDICT, export_outputs={"a": one, "b": other}))


@pytest.mark.parametrize("outputs", [3, {"a": 3}, [1]])
def test_export_outputs_of_a_wrong_type_are_refused_where_they_are_looked_at(outputs: Any) -> None:
    with pytest.raises(TypeError, match="EstimatorSpec was given export_outputs"):
        EstimatorSpec(**whole(PREDICT, export_outputs=outputs))
    for mode in (TRAIN, EVAL):
        assert EstimatorSpec(**whole(mode, export_outputs=outputs)).export_outputs == outputs


def test_replace_changes_a_field_and_checks_again() -> None:
    spec = EstimatorSpec(**whole(EVAL))
    hook = TrainingHook()
    assert spec._replace(evaluation_hooks=[hook]).evaluation_hooks == (hook,)
    assert spec.evaluation_hooks == ()
    with pytest.raises(ValueError, match="EstimatorSpec for mode 'eval' was given no loss"):
        spec._replace(loss=None)


def test_replace_keeps_the_mode() -> None:
    spec = EstimatorSpec(**whole(EVAL))
    assert spec._replace(mode=EVAL).mode == EVAL
    with pytest.raises(ValueError, match="_replace was given mode 'train' for a spec of mode 'eval'. The mode stays"):
        spec._replace(mode=TRAIN)


def test_a_spec_cannot_be_changed_in_place() -> None:
    spec = EstimatorSpec(**whole(EVAL))
    with pytest.raises(AttributeError):
        spec.loss = None  # type: ignore[misc]
    with pytest.raises(AttributeError):
        spec.something = None  # type: ignore[attr-defined]
