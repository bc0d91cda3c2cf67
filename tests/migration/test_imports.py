"""Imports of TensorFlow in all their forms, and whose estimators a program gets."""

from __future__ import annotations

import pathlib

import pytest

from tests.migration.programs import all_rewritten, rewritten

IMPORTS = {
    "import tensorflow as tf": "import trainer.compat.v1 as tf",
    "import tensorflow": "import trainer.compat.v1 as tensorflow",
    "import tensorflow.compat.v1 as tf": "import trainer.compat.v1 as tf",
    "from tensorflow.compat import v1 as tf": "from trainer.compat import v1 as tf",
    "import os, tensorflow as tf": "import os, trainer.compat.v1 as tf",
    "from tensorflow import estimator as e": "from trainer.compat.v1 import estimator as e",
    "from tensorflow.estimator import RunConfig": "from trainer.compat.v1.estimator import RunConfig",
    "from tensorflow.python.estimator import model_fn as m": "from trainer.compat.v1 import estimator as m",
    "from tensorflow.python.estimator.model_fn import ModeKeys as M": (
        "from trainer.compat.v1.estimator import ModeKeys as M"
    ),
    "from tensorflow.python.estimator.inputs.numpy_io import numpy_input_fn": (
        "from trainer.compat.v1.estimator.inputs import numpy_input_fn"
    ),
    "from tensorflow.train import AdamOptimizer": "from trainer.compat.v1.train import AdamOptimizer",
    "import tensorflow.feature_column as fc": "from trainer.compat.v1 import feature_column as fc",
    "from tensorflow.estimator.export import PredictOutput": (
        "from trainer.compat.v1.estimator.export import PredictOutput"
    ),
    "from tensorflow.core.example import example_pb2": "from tensorflow.core.example import example_pb2",
    "from tensorflow_estimator import estimator": "from trainer.compat.v1 import estimator",
    "from tensorflow_estimator.python.estimator.canned import head as h": (
        "from trainer.compat.v1 import estimator as h"
    ),
    "import tensorflow.contrib.layers as layers": "from trainer.compat.v1.contrib import layers",
    "from tensorflow.contrib import rnn, crf as c": "from trainer.compat.v1.contrib import rnn, crf as c",
    "from tensorflow.contrib.rnn import LSTMCell": "from trainer.compat.v1.contrib.rnn import LSTMCell",
    "from tensorflow.contrib.tpu.python.tpu import tpu_config": (
        "from trainer.compat.v1.contrib import tpu as tpu_config"
    ),
    "from tensorflow.contrib.tpu.python.tpu import tpu_optimizer as o": (
        "from trainer.compat.v1.contrib import tpu as o"
    ),
    "from tensorflow.contrib.tpu.python.tpu.tpu_optimizer import CrossShardOptimizer": (
        "from trainer.estimator.tpu import CrossShardOptimizer"
    ),
    "from tensorflow.contrib.seq2seq.python.ops import helper, attention_wrapper as a": (
        "from trainer.compat.v1.contrib import seq2seq as helper, seq2seq as a"
    ),
    "from tensorflow.python.layers import core": "from trainer.compat.v1 import layers as core",
    "from tensorflow.python.layers.core import Dense": "from trainer.compat.v1.layers import Dense",
    "from tensorflow.python.keras.layers import LSTM": "from tensorflow.keras.layers import LSTM",
    "from tensorflow.nn.rnn_cell import LSTMCell": "from trainer.compat.v1.rnn_cell import LSTMCell",
    "from tensorflow.keras.layers import Dense": "from tensorflow.keras.layers import Dense",
    "from tensorflow.python.framework import ops": "from tensorflow.python.framework import ops",
    "from . import tensorflow": "from . import tensorflow",
}


@pytest.mark.parametrize(("old", "new"), IMPORTS.items(), ids=IMPORTS)
def test_an_import_of_what_is_gone_is_from_here(tmp_path: pathlib.Path, old: str, new: str) -> None:
    assert rewritten(tmp_path, f"{old}  # why\n") == f"{new}  # why\n"


def test_an_import_from_two_places_becomes_two_lines(tmp_path: pathlib.Path) -> None:
    text = rewritten(tmp_path, "# first\nfrom tensorflow.python.ops import rnn_cell, math_ops  # why\n")
    assert text == (
        "# first\nfrom trainer.compat.v1.nn import rnn_cell\nfrom tensorflow.python.ops import math_ops  # why\n"
    )


def test_the_names_of_version_1_lose_their_detour(tmp_path: pathlib.Path) -> None:
    text = rewritten(tmp_path, "import tensorflow as tf\ntf.compat.v1.layers.dense(tf.placeholder(tf.int32), 1)\n")
    assert text == "import trainer.compat.v1 as tf\ntf.layers.dense(tf.placeholder(tf.int32), 1)\n"


def test_a_program_for_tensorflow_2_keeps_its_tf_and_gets_our_estimators_beside_it(tmp_path: pathlib.Path) -> None:
    texts = all_rewritten(
        tmp_path,
        {
            "model.py": """\
                import tensorflow as tf

                rate = tf.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
                tf.compat.v1.logging.info("x")
                cell = tf.compat.v1.nn.rnn_cell.LSTMCell(3)
                """,
            "task.py": """\
                import tensorflow as tf
                from tensorflow.estimator import RunConfig

                estimator = tf.estimator.DNNClassifier([3], [], config=RunConfig())
                """,
        },
    )
    assert texts["model.py"] == (
        "import tensorflow as tf\nimport trainer.compat.v1 as tf_v1\n\n"
        "rate = tf.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)\n"
        'tf.compat.v1.logging.info("x")\ncell = tf_v1.nn.rnn_cell.LSTMCell(3)\n'
    )
    assert texts["task.py"] == (
        "import tensorflow as tf\nimport trainer.estimator as tf_estimator\n"
        "from trainer.estimator import RunConfig\n\n"
        "estimator = tf_estimator.DNNClassifier([3], [], config=RunConfig())\n"
    )


def test_one_name_of_version_1_makes_it_a_program_for_version_1(tmp_path: pathlib.Path) -> None:
    texts = all_rewritten(
        tmp_path,
        {
            "a.py": "import tensorflow as tf\ntf.compat.v1.logging.info('x')\n",
            "b.py": "import tensorflow as tf\ntf.app.run()\n",
        },
    )
    assert texts["a.py"] == "import trainer.compat.v1 as tf\ntf.logging.info('x')\n"
