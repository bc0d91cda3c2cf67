"""What scikit-learn makes of a table of `benchmarks.tables`, on the rows that the package trains and evaluates on.

PYTHON benchmarks/tables_sklearn.py FILE LABEL, with a Python that has scikit-learn and pandas, and this folder's parent
on its path for the division of the rows.
"""

from __future__ import annotations

import json
import pathlib
import sys

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from trainer.formats.tables.splitting import Part, Split  # noqa: E402

_MOST_ROWS = 200_000
_MOST_FITTED = {"logistic": 50_000, "gradient boosting": 20_000}
"""Rows of training, so that forty classes take minutes and not hours."""


def main(path: str, label: str) -> dict[str, float]:
    """The scores of a linear model and of gradient boosting, by their names."""
    table = pd.read_csv(path, nrows=_MOST_ROWS * 5 // 4)
    parts = Split(fractions=(0.8, 0.1, 0.1)).parts(np.arange(len(table)) + 2, None)
    for name in table:
        if name in ("joined", "sold"):
            table[name] = pd.to_datetime(table[name]).astype("int64") // 86_400_000_000_000
    table = table.drop(columns=[name for name in table if name.endswith("_id")])
    features, labels = table.drop(columns=label), table[label]
    train, evaluation = parts == Part.TRAIN, parts == Part.EVALUATION
    texts = [name for name in features if features[name].dtype.kind not in "if"]
    numbers = [name for name in features if name not in texts]
    impute = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist")
    is_number = labels.dtype.kind in "if"
    linear = Ridge() if is_number else LogisticRegression(max_iter=300)
    boosting = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
    forest = boosting(max_iter=60, random_state=0)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    models = {
        "ridge" if is_number else "logistic": make_pipeline(
            make_column_transformer((impute, numbers), (one_hot, texts)), linear
        ),
        "gradient boosting": make_pipeline(make_column_transformer(("passthrough", numbers), (ordinal, texts)), forest),
    }
    scores = {}
    for name, model in models.items():
        most = _MOST_FITTED.get(name, _MOST_ROWS)
        model.fit(features[train][:most], labels[train][:most])
        judged = root_mean_squared_error if is_number else accuracy_score
        scores[name] = float(judged(labels[evaluation], model.predict(features[evaluation])))
    return scores


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
