"""`tf.contrib`, as far as programs of TensorFlow 1 use it."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_GIVEN = ("crf", "data", "estimator", "framework", "layers", "lookup", "metrics", "rnn", "tpu", "training")
_OWN = {name: f"{__name__}.{name}" for name in _GIVEN} | {
    "cluster_resolver": "tensorflow:distribute.cluster_resolver",
    "distribute": "tensorflow:distribute",
}
_ADVICE = {
    "slim": "Install tf_slim and write `import tf_slim as slim`",
    "learn": "Use tf.estimator: Estimator, TrainSpec, EvalSpec and train_and_evaluate",
    "seq2seq": "Write the decoder with tf.while_loop or Keras, or use a transformer",
    "opt": "Use the optimizers of tf.train and tf.keras.optimizers",
    "summary": "Use tf.summary of TensorFlow 2",
    "eager": "TensorFlow 2 executes eagerly by itself",
    "image": "Use tf.image, or tf.raw_ops.ImageProjectiveTransformV3",
    "legacy_seq2seq": "Write the decoder with tf.nn.static_rnn",
    "cudnn_rnn": "Use tf.keras.layers.LSTM and GRU, which take cuDNN where it is",
    "tensorrt": "Convert the exported SavedModel with TensorRT's own tools",
    "quantize": "Use tensorflow_model_optimization",
    "ffmpeg": "Use tf.audio, or tensorflow_io",
    "predictor": "Load an export with tf.saved_model.load, or use python -m trainer.predict",
    "saved_model": "Load an export with tf.saved_model.load",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
