"""What scikit-learn makes of a table of `benchmarks.tables`, on the rows that the package trains and evaluates on.

PYTHON benchmarks/tables_sklearn.py FILE LABEL, with a Python that has scikit-learn and pandas, and this folder's parent
on its path for the division of the rows.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from trainer.formats.tables.splitting import Part, Split  # noqa: E402

Model = Any
"""A pipeline of scikit-learn."""

_CHUNK = 100_000
_MOST_FITTED = {"logistic": 50_000, "gradient boosting": 20_000}
"""Rows of training at most, so that forty classes take minutes and not hours; what a model was fitted to is told."""
_LEARNT_FROM = 200_000
"""Rows of training at most from which means, medians and categories are learnt."""


def chunks(path: str, label: str) -> Iterator[tuple[pd.DataFrame, pd.Series, np.ndarray]]:
    """Features, labels and parts of the rows of a file, some at a time."""
    split, first = Split(fractions=(0.8, 0.1, 0.1)), 2
    for table in pd.read_csv(path, chunksize=_CHUNK):
        parts = split.parts(np.arange(len(table)) + first, None)
        first += len(table)
        for name in table:
            if name in ("joined", "sold"):
                table[name] = pd.to_datetime(table[name]).astype("int64") // 86_400_000_000_000
        table = table.drop(columns=[name for name in table if name.endswith("_id")])
        yield table.drop(columns=label), table[label], parts


def head(path: str, label: str, count: int) -> tuple[pd.DataFrame, pd.Series]:
    """The first rows of training, as many as there are up to a number."""
    features, labels, found = [], [], 0
    for some, of_them, parts in chunks(path, label):
        features.append(some[parts == Part.TRAIN])
        labels.append(of_them[parts == Part.TRAIN])
        found += len(labels[-1])
        if found >= count:
            break
    return pd.concat(features)[:count], pd.concat(labels)[:count]


def models(features: pd.DataFrame, is_number: bool) -> dict[str, Model]:
    """A linear model and gradient boosting, each behind what makes numbers of its columns."""
    texts = [name for name in features if features[name].dtype.kind not in "if"]
    numbers = [name for name in features if name not in texts]
    impute = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist")
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    linear = Ridge() if is_number else LogisticRegression(max_iter=300)
    boosting = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
    trees = make_column_transformer(("passthrough", numbers), (ordinal, texts))
    return {
        "ridge" if is_number else "logistic": make_pipeline(
            make_column_transformer((impute, numbers), (one_hot, texts)), linear
        ),
        "gradient boosting": make_pipeline(trees, boosting(max_iter=60, random_state=0)),
    }


def by_gradient(fitted: Model, path: str, label: str) -> Model:
    """A logistic regression of each class against the others, by one pass of gradient descent over all rows.

    Args:
      fitted: the pipeline of a logistic regression, whose columns are taken over.
      path: of the table.
      label: its column.
    """
    descent = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0, average=True)
    columns, classes = fitted[0], fitted[-1].classes_
    for features, labels, parts in chunks(path, label):
        train = parts == Part.TRAIN
        descent.partial_fit(columns.transform(features[train]), labels[train], classes=classes)
    return make_pipeline(columns, descent)


def main(path: str, label: str) -> dict[str, float]:
    """The scores of the models on the rows of evaluation, by their names and how many rows they were fitted to."""
    features, labels = head(path, label, _LEARNT_FROM)
    is_number, fitted = labels.dtype.kind in "if", {}
    for name, model in models(features, is_number).items():
        most = min(_MOST_FITTED.get(name, _LEARNT_FROM), len(labels))
        fitted[f"{name}, {most:,} rows"] = model.fit(features[:most], labels[:most])
    if not is_number and len(labels) == _LEARNT_FROM:
        fitted["logistic by SGD, all rows"] = by_gradient(next(iter(fitted.values())), path, label)
    told: dict[str, list[np.ndarray]] = {name: [] for name in fitted}
    right = []
    for some, of_them, parts in chunks(path, label):
        chosen = parts == Part.EVALUATION
        right.append(of_them[chosen])
        for name, model in fitted.items():
            told[name].append(model.predict(some[chosen]))
    judged = root_mean_squared_error if is_number else accuracy_score
    return {name: float(judged(np.concatenate(right), np.concatenate(some))) for name, some in told.items()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
