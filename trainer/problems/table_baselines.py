"""Simple models of a table, which a model has to beat: a constant, and linear ones fitted exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from trainer.formats.tables.parsed_rows import Rows
from trainer.formats.tables.reading import Table

_MOST_ROWS = 50_000
"""Rows of training that linear models are fitted to, and rows of evaluation that they are scored on."""
_ROWS_AT_ONCE = 4096
_MOST_IDS = 50
"""Values of a category that have a weight of their own; the rarer ones share one."""
_LARGEST_FIT = 4e10
"""Multiply-adds that fitting classes may cost: some seconds on one core."""
_MOST_ROUNDS = 200
_RIDGE = 1.0
_SMALL = 1e-7


def score(table: Table) -> dict[str, float]:
    """Scores on the evaluation part, each named after its metric."""
    return _of_regression(table) if table.is_regression else _of_classes(table)


def _blocks(part: Rows, table: Table) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The first rows of a part, some at a time: float64 [rows, inputs], and labels [rows]."""
    from trainer.formats.pipeline import datasets

    left = _MOST_ROWS
    for features, labels in datasets.evaluation(part, _ROWS_AT_ONCE).as_numpy_iterator():
        yield _inputs(features, table)[:left], labels[:left]
        left -= len(labels)
        if left <= 0:
            return


def _joined(part: Rows, table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The rows of `_blocks` together."""
    inputs, rows = np.empty((0, 0)), 0
    labels: list[np.ndarray] = []
    for block, of_block in _blocks(part, table):
        if not labels:  # room for all at once: joined at the end they would be there twice
            inputs = np.empty((min(part.count, _MOST_ROWS), block.shape[1]))
        inputs[rows : rows + len(block)] = block
        rows += len(block)
        labels.append(of_block)
    return inputs[:rows], np.concatenate(labels)


def _inputs(features: Mapping[str, np.ndarray], table: Table) -> np.ndarray:
    """Numbers, a column for each value of a category, and a constant: float64 [rows, inputs]."""
    rows = len(next(iter(features.values())))
    columns = [np.ones((rows, 1))]
    if "numbers" in features:
        columns.append(features["numbers"].astype(np.float64))
    for number, size in enumerate(table.category_sizes.values()):
        width = min(size, _MOST_IDS + 1)
        columns.append(np.eye(width)[np.minimum(features["categories"][:, number], width - 1)])
    return np.concatenate(columns, axis=1)


def _ridged(gram: np.ndarray) -> np.ndarray:
    """Products of inputs with a small ridge, which makes columns that say the same no trouble."""
    return gram + _RIDGE * np.eye(len(gram))


def _of_regression(table: Table) -> dict[str, float]:
    """Of the mean of training, and of linear least squares, with few rows in memory at a time."""
    weights = _least_squares(table)
    read = [(inputs @ weights, labels) for inputs, labels in _blocks(table.evaluation, table)]
    fitted, labels = (np.concatenate(parts) for parts in zip(*read, strict=True))
    fitted = fitted * table.label_scale + table.label_mean
    scores = {}
    for name, forecast in (("mean", np.full(len(fitted), table.label_mean)), ("least_squares", fitted)):
        errors = forecast - labels
        scores[f"rmse_{name}"] = float(np.sqrt(np.mean(errors**2)))
        scores[f"mae_{name}"] = float(np.mean(np.abs(errors)))
        if spread := float(np.mean((labels - labels.mean()) ** 2)):
            scores[f"r2_{name}"] = 1 - float(np.mean(errors**2)) / spread
    return scores


def _least_squares(table: Table) -> np.ndarray:
    """Weights [inputs] of the standardised label."""
    gram, moments = np.zeros((1, 1)), np.zeros(1)
    for inputs, labels in _blocks(table.train, table):
        gram = gram + inputs.T @ inputs
        moments = moments + inputs.T @ ((labels - table.label_mean) / table.label_scale)
    return np.asarray(np.linalg.solve(_ridged(gram), moments))


def _of_classes(table: Table) -> dict[str, float]:
    """Of the most frequent class, and of a logistic regression where it costs seconds only."""
    train, evaluation = (_joined(part, table) for part in (table.train, table.evaluation))
    labels, shares = evaluation[1], np.array(table.class_shares)
    scores = {
        "accuracy_majority": float(np.mean(labels == np.argmax(shares))),
        "log_loss_majority": _log_loss(np.broadcast_to(shares, (len(labels), len(shares))), labels),
    }
    rounds = min(_MOST_ROUNDS, int(_LARGEST_FIT / (2 * train[0].size * len(shares))))
    if rounds < _MOST_ROUNDS // 4:
        return scores
    probabilities = _softmax(evaluation[0] @ logistic_weights(*train, classes=len(shares), rounds=rounds))
    scores["accuracy_logistic"] = float(np.mean(probabilities.argmax(axis=1) == labels))
    scores["log_loss_logistic"] = _log_loss(probabilities, labels)
    if len(shares) == 2:
        scores["auc_logistic"] = _auc(probabilities[:, 1], labels)
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def logistic_weights(inputs: np.ndarray, labels: np.ndarray, *, classes: int, rounds: int) -> np.ndarray:
    """Multinomial logistic regression by a fixed bound of the Hessian (Böhning 1992), so that each round is a product.

    Args:
      inputs: float64 [rows, inputs].
      labels: integers [rows].
      classes: how many there are.
      rounds: of fitting at most.

    Returns:
      float64 [inputs, classes].
    """
    weights = np.zeros((inputs.shape[1], classes))
    targets = np.eye(classes)[labels]
    # The bound is (I - 1/classes) / 2 for the classes; on gradients, which sum to zero over them, it is 1/2.
    inverse = np.linalg.inv(_ridged(_ridged(inputs.T @ inputs) / 2))
    previous, momentum = weights, 0.0
    for number in range(rounds):
        # Nesterov's extrapolation, without which nearly separable classes take thousands of rounds.
        ahead = weights + momentum * (weights - previous)
        gradient = inputs.T @ (targets - _softmax(inputs @ ahead)) - _RIDGE * ahead
        previous, weights = weights, ahead + inverse @ gradient
        momentum = number / (number + 3)
    return weights


def _softmax(logits: np.ndarray) -> np.ndarray:
    """float64 [rows, classes] of the same."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Of probabilities [rows, classes] and classes [rows]."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, _SMALL)).mean())


def _auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """The share of pairs of one row of each class that scores [rows] put in order; ties count half; nan without one."""
    order = np.argsort(scores, kind="stable")
    _, first, counts = np.unique(scores[order], return_index=True, return_counts=True)
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat(first + (counts + 1) / 2, counts)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return math.nan
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
