"""Heads and the random batches that they judge, for tf.estimator and for this package: numpy alone is imported."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

BATCHES = 4
KINDS = ("binary", "names", "classes", "class_names", "labels", "sparse", "numbers", "counts", "shares", "several")
CASES = range(5 * len(KINDS))
OF_V1 = ("binary", "names", "classes", "class_names", "numbers")
NAMES = ("low", "middle", "high")


@dataclasses.dataclass(frozen=True)
class Batch:
    """Logits, labels, features (with weights, if there are any) and a regularization loss."""

    logits: Any
    labels: Any
    features: dict[str, Any]
    regularization: float


@dataclasses.dataclass(frozen=True)
class Case:
    """A head with what it is given, all of it following from a number.

    Attributes:
      number: see above.
    """

    number: int

    @property
    def kind(self) -> str:
        """Of the head."""
        return KINDS[self.number % len(KINDS)]

    def _random(self, salt: int) -> np.random.RandomState:
        return np.random.RandomState(1000 * self.number + salt)

    def setting(self, name: str, choices: list[Any]) -> Any:
        """One of the choices."""
        return choices[self._random(sum(map(ord, name))).randint(len(choices))]

    @property
    def weighted(self) -> str | None:
        """The shape of weights: with or without a last dimension, or with one for each logit."""
        per_logit = ["each"] if self.kind in ("numbers", "counts") else []
        return self.setting("weighted", [None, "flat", "one", *per_logit])

    @property
    def outputs(self) -> int:
        """The last dimension of logits."""
        if self.kind in ("numbers", "counts"):
            return self.setting("outputs", [1, 2])
        return {"classes": 3, "class_names": 3, "labels": 3, "sparse": 3}.get(self.kind, 1)

    @property
    def summed(self) -> bool:
        """Whether losses are added, and not their mean taken."""
        return self.setting("summed", [False, True])

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the head, but for the reduction."""
        shared: dict[str, Any] = {"name": self.setting("name", [None, "head"])}
        if self.weighted:
            shared["weight_column"] = "weight"
        thresholds = {"thresholds": self.setting("thresholds", [None, [0.3], [0.25, 0.6]])}
        return (
            shared
            | {
                "binary": thresholds,
                "names": {**thresholds, "label_vocabulary": NAMES[:2]},
                "classes": {"n_classes": 3},
                "class_names": {"n_classes": 3, "label_vocabulary": NAMES},
                "labels": {**thresholds, "n_classes": 3, "classes_for_class_based_metrics": [0, 2]},
                "sparse": {**thresholds, "n_classes": 3, "label_vocabulary": NAMES},
                "numbers": {"label_dimension": self.outputs},
                "counts": {"label_dimension": self.outputs, "compute_full_loss": self.setting("full", [True, False])},
                "shares": {},
                "several": {},
            }[self.kind]
        )

    def batches(self) -> Iterator[Batch]:
        """Of this head, of several sizes and sometimes with a dimension more."""
        inner = [] if self.kind == "sparse" else self.setting("inner", [[], [2]])
        for number in range(BATCHES):
            random = self._random(number)
            shape = [random.randint(1, 8), *inner]
            logits = random.normal(0, 2, [*shape, self.outputs]).astype(np.float32)
            weights = random.uniform(0.1, 3, self._weight_shape(shape)).astype(np.float32)
            features = {"weight": weights} if self.weighted else {"x": logits}
            yield Batch(logits, self._labels(random, shape), features, float(random.uniform()))

    def _weight_shape(self, shape: list[int]) -> list[int]:
        return {"one": [*shape, 1], "each": [*shape, self.outputs]}.get(self.weighted or "", shape)

    def _labels(self, random: np.random.RandomState, shape: list[int]) -> Any:
        match self.kind:
            case "binary":
                return random.randint(0, 2, [*shape, 1])
            case "names":
                return np.array(NAMES[:2])[random.randint(0, 2, [*shape, 1])]
            case "classes":
                return random.randint(0, 3, [*shape, 1])
            case "class_names":
                return np.array(NAMES)[random.randint(0, 3, [*shape, 1])]
            case "labels":
                return random.randint(0, 2, [*shape, 3])
            case "sparse":
                present = random.randint(0, 2, [*shape, 3])
                return {"indices": np.argwhere(present), "names": np.array(NAMES)[np.argwhere(present)[:, -1]]}
            case "numbers":
                return random.normal(0, 2, [*shape, self.outputs]).astype(np.float32)
            case "counts":
                return random.randint(0, 9, [*shape, self.outputs])
            case _:
                return random.uniform(0, 1, [*shape, 1]).astype(np.float32)


def head_of_v2(case: Case, heads: Any) -> Any:
    """The head of a case, made by its name in `heads`."""
    reduction = {"loss_reduction": "sum" if case.summed else "sum_over_batch_size"}
    if case.kind == "several":
        first, second = (
            heads.BinaryClassHead(name="first", **reduction),
            heads.RegressionHead(name="second", **reduction),
        )
        return heads.MultiHead([first, second], head_weights=case.setting("heads", [None, [2.0, 0.25]]))
    named = {"binary": "BinaryClass", "names": "BinaryClass", "classes": "MultiClass", "class_names": "MultiClass"}
    named |= {"labels": "MultiLabel", "sparse": "MultiLabel", "numbers": "Regression", "counts": "PoissonRegression"}
    return getattr(heads, named.get(case.kind, "LogisticRegression") + "Head")(**case.arguments, **reduction)


def numbers_of_v2(case: Case, tf: Any, heads: Any) -> dict[str, list[float]]:
    """The losses of the batches and the metrics over all of them, and sums of the predictions of the last batch.

    Args:
      case: says which head.
      tf: TensorFlow 2, of any release, executing eagerly.
      heads: has them by their names.
    """
    head, losses, metrics = head_of_v2(case, heads), [], {}
    for batch in case.batches():
        # tf.estimator's head of several ones forgets what it was told before, when it is told of a batch.
        if not metrics or case.kind == "several":
            metrics = head.metrics(regularization_losses=[0.0])
        labels, logits = _given(case, batch, tf), batch.logits
        if case.kind == "several":
            labels = {"first": np.round(labels), "second": labels}
            logits = {"first": logits, "second": logits + 1}
        added = [tf.constant(batch.regularization)]
        losses.append(float(head.loss(labels, logits, batch.features, regularization_losses=added)))
        metrics = head.update_metrics(metrics, batch.features, logits, labels, regularization_losses=added)
    predictions = {str(key): _total(value) for key, value in head.predictions(logits).items()}
    return {
        "losses": losses,
        **{f"metric {name}": [float(metric.result())] for name, metric in metrics.items()},
        **{f"prediction {name}": total for name, total in predictions.items()},
    }


def _given(case: Case, batch: Batch, tf: Any) -> Any:
    """Labels as the head takes them; sparse ones made of their parts."""
    if case.kind != "sparse":
        return batch.labels
    shape = [len(batch.logits), 3]
    return tf.SparseTensor(batch.labels["indices"], batch.labels["names"], shape)


def _total(values: Any) -> list[float]:
    """Sums that tell one prediction from another, of numbers or of strings."""
    array = np.asarray(values)
    if array.dtype.kind in "OS":
        array = np.vectorize(len)(array)
    return [float(array.sum()), float((array.reshape(-1) * np.arange(array.size)).sum())]


def numbers_of_v1(case: Case, tf1: Any, head: Callable[..., Any]) -> dict[str, list[float]]:
    """The losses of the batches and the metrics over all of them.

    Args:
      case: says which head.
      tf1: `tf.compat.v1`, of any release.
      head: makes one from the kind, the reduction and the arguments.
    """
    losses: list[float] = []
    with tf1.Graph().as_default(), tf1.Session(config=_as_it_is(tf1)) as session:
        reduction = tf1.losses.Reduction.SUM if case.summed else tf1.losses.Reduction.SUM_OVER_BATCH_SIZE
        made = head(case.kind, loss_reduction=reduction, **case.arguments)
        feeds = [_placeholders(batch, tf1) for batch in case.batches()][0]
        spec = made.create_estimator_spec(
            features=feeds.features,
            mode="eval",
            logits=feeds.logits,
            labels=feeds.labels,
            regularization_losses=[feeds.regularization],
        )
        session.run([tf1.local_variables_initializer(), tf1.tables_initializer()])
        updates = {name: update for name, (_, update) in spec.eval_metric_ops.items()}
        for batch in case.batches():
            flat = zip(_flat(feeds), _flat(batch), strict=True)
            losses.append(float(session.run([spec.loss, updates], dict(flat))[0]))
        values = session.run({name: value for name, (value, _) in spec.eval_metric_ops.items()})
    return {"losses": losses, **{f"metric {name}": [float(value)] for name, value in values.items()}}


def _as_it_is(tf1: Any) -> Any:
    """A session config that leaves graphs as they are: to optimize them takes longer than to run them a few times."""
    config = tf1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf1.OptimizerOptions.L0
    return config


def _placeholders(batch: Batch, tf1: Any) -> Batch:
    """What batches of other sizes are fed to."""
    made = functools.partial(_placeholder, tf1=tf1)
    features = {name: made(value) for name, value in batch.features.items()}
    return Batch(made(batch.logits), made(batch.labels), features, made(np.float32(batch.regularization)))


def _placeholder(value: Any, tf1: Any) -> Any:
    dtype = tf1.string if value.dtype.kind == "U" else value.dtype
    return tf1.placeholder(dtype, [None, *value.shape[1:]] if value.shape else [])


def _flat(batch: Batch) -> list[Any]:
    return [batch.logits, batch.labels, *batch.features.values(), batch.regularization]
