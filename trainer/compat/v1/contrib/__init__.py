"""`tf.contrib`, as far as programs of TensorFlow 1 use it."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_GIVEN = (
    "crf",
    "data",
    "estimator",
    "framework",
    "layers",
    "lookup",
    "metrics",
    "opt",
    "predictor",
    "rnn",
    "seq2seq",
    "summary",
    "tpu",
    "training",
    "util",
)
_OWN = {name: f"{__name__}.{name}" for name in _GIVEN} | {
    "cluster_resolver": "tensorflow:distribute.cluster_resolver",
    "distribute": "tensorflow:distribute",
}
_ADVICE = {
    "slim": "Install tf_slim and write `import tf_slim as slim`",
    "learn": "Use tf.estimator: Estimator, TrainSpec, EvalSpec and train_and_evaluate",
    "eager": "TensorFlow 2 executes eagerly by itself",
    "image": "Use tf.image, or tf.raw_ops.ImageProjectiveTransformV3",
    "legacy_seq2seq": "Write the decoder with tf.nn.static_rnn",
    "cudnn_rnn": "Use tf.keras.layers.LSTM and GRU, which take cuDNN where it is",
    "tensorrt": "Convert the exported SavedModel with TensorRT's own tools",
    "quantize": "Use tensorflow_model_optimization",
    "ffmpeg": "Use tf.audio, or tensorflow_io",
    "saved_model": "Load an export with tf.saved_model.load",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
