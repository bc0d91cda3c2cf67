"""What a run exports answers outside of Python's TensorFlow, with the numbers that the Estimator predicts."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def export_dir(forking_python: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The export of the default job, cut to a few steps."""
    root = tmp_path_factory.mktemp("job")
    command = [
        forking_python,
        "-m",
        "trainer.task",
        f"--output_dir={root}",
        "--train_steps=20",
        "--seed=1",
        "--noreport",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next((root / "export" / "latest").iterdir())


@pytest.fixture(scope="module")
def histories() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, 9, 1)).astype(np.float32)


def endpoint(info: Any) -> list[Any]:
    name, _, index = info.name.partition(":")
    return [name, int(index)]


def through_the_c_api(
    export_dir: pathlib.Path, signature: str, request: dict[str, Any], place: pathlib.Path
) -> np.ndarray:
    """The answer of a signature with one input and one output."""
    model = SavedModel.FromString((export_dir / "saved_model.pb").read_bytes())
    wanted = model.meta_graphs[0].signature_def[signature]
    library = next(pathlib.Path(tf.__file__).parent.glob("libtensorflow_cc.so*"))
    request = request | {
        "library": str(library),
        "export_dir": str(export_dir),
        "input": endpoint(*wanted.inputs.values()),
        "output": endpoint(*wanted.outputs.values()),
    }
    file = place / "request.json"
    file.write_text(json.dumps(request))
    done = subprocess.run(
        [sys.executable, str(HERE / "c_api_session.py"), str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout), np.float32)


def in_python(export_dir: pathlib.Path, histories: np.ndarray) -> np.ndarray:
    serve = tf.saved_model.load(str(export_dir)).signatures["serving_default"]
    return next(iter(serve(values=tf.constant(histories)).values())).numpy()


def test_the_c_api_answers_the_dense_signature(
    export_dir: pathlib.Path, histories: np.ndarray, tmp_path: pathlib.Path
) -> None:
    answer = through_the_c_api(export_dir, "serving_default", {"floats": histories.tolist()}, tmp_path)
    np.testing.assert_allclose(answer, in_python(export_dir, histories), atol=1e-6)


def test_the_c_api_answers_the_signature_for_csv_rows(
    export_dir: pathlib.Path, histories: np.ndarray, tmp_path: pathlib.Path
) -> None:
    rows = [",".join(f"{value:.9g}" for value in history.ravel()) for history in histories]
    answer = through_the_c_api(export_dir, "csv:serving_default", {"strings": rows}, tmp_path)
    np.testing.assert_allclose(answer, in_python(export_dir, histories), atol=1e-6)
