"""Where the modules of TensorFlow that are gone have their counterparts here: names, no code."""

from __future__ import annotations

import enum
import re

V1 = "trainer.compat.v1"
ESTIMATOR = "trainer.estimator"


class Generation(enum.Enum):
    """Which `tf` a program was written for, which decides whose estimators it means."""

    V1 = 1
    V2 = 2


_LOST = ("estimator", "contrib", "layers", "nn.rnn_cell", "lookup", "keras.estimator")
"""Modules of tf.compat.v1 that `trainer.compat.v1` brings back, or adds to."""
_SAME_IN_VERSION_2 = ("python", "core", "compiler", "compat", "examples", "keras", "lite", "models", "tools")
"""Of the modules below tensorflow, those that are no part of the `tf` of TensorFlow 1, or are what they were."""
_PRIVATE = re.compile(r"^(?:tensorflow|tensorflow_estimator)\.python\.estimator(?:\.(\w+))?")
_PRIVATE_FOLDERS = {"export": "estimator.export", "inputs": "estimator.inputs", "tpu": "contrib.tpu"}
# Other private modules that programs import, and where they were to be had in public.
_PUBLISHED = (
    (re.compile(r"^tensorflow\.contrib\.(\w+)\.python\b.*"), r"tensorflow.contrib.\1"),
    (re.compile(r"^tensorflow\.python\.layers\b.*"), "tensorflow.layers"),
    (re.compile(r"^tensorflow\.python\.ops\.rnn_cell(_impl)?$"), "tensorflow.nn.rnn_cell"),
    (re.compile(r"^tensorflow_estimator(\.python|\.estimator)?$"), "tensorflow.estimator"),
    (re.compile(r"^tensorflow\.(python|contrib)\.keras\b"), "tensorflow.keras"),
)
# Names of `tf` that lie elsewhere than they are called, so that an import cannot go through them.
_LIES_IN = {
    f"{V1}.keras.estimator": f"{V1}.keras_estimator",
    f"{V1}.nn.rnn_cell": f"{V1}.rnn_cell",
    f"{V1}.contrib.tpu": f"{ESTIMATOR}.tpu",
    f"{V1}.contrib.distribute": "tensorflow.distribute",
    f"{V1}.contrib.cluster_resolver": "tensorflow.distribute.cluster_resolver",
    f"{ESTIMATOR}.export": f"{ESTIMATOR}.contract.export",
}
_HOLDS_MODULES = {
    "tensorflow",
    "tensorflow.compat",
    "tensorflow.compat.v1",
    "tensorflow.contrib",
    "tensorflow.estimator",
    "tensorflow.keras",
    "tensorflow.nn",
    "tensorflow.python",
    "tensorflow.python.keras",
    "tensorflow.python.ops",
    "tensorflow_estimator",
    "tensorflow_estimator.python",
}
_PRIVATE_MODULES = {
    "baseline",
    "canned",
    "dnn",
    "dnn_linear_combined",
    "early_stopping",
    "estimator",
    "estimator_lib",
    "export",
    "export_lib",
    "export_output",
    "exporter",
    "head",
    "hooks",
    "inputs",
    "keras",
    "linear",
    "metric_keys",
    "model_fn",
    "numpy_io",
    "pandas_io",
    "prediction_keys",
    "run_config",
    "tpu_config",
    "tpu_estimator",
    "training",
    "warm_starting_util",
}


# Modules below `tensorflow.contrib.<part>.python`: what else is imported from there is a class or a function of <part>.
_CONTRIB_MODULES = {
    "async_checkpoint",
    "attention_wrapper",
    "basic_decoder",
    "batching",
    "beam_search_decoder",
    "bfloat16",
    "bucket_ops",
    "core_rnn",
    "core_rnn_cell",
    "crf",
    "decoder",
    "device_assignment",
    "early_stopping",
    "embedding_ops",
    "encoders",
    "evaluation",
    "extenders",
    "feature_column",
    "feature_column_ops",
    "fused_rnn_cell",
    "gru_ops",
    "head",
    "helper",
    "hparam",
    "initializers",
    "interleave_ops",
    "iterator_ops",
    "keras_support",
    "layers",
    "lookup_ops",
    "loss",
    "lstm_ops",
    "metric_ops",
    "mirrored_strategy",
    "multi_head",
    "normalization",
    "ops",
    "optimizers",
    "readers",
    "regularizers",
    "resampling",
    "rnn",
    "rnn_cell",
    "session_support",
    "shuffle_ops",
    "sliding",
    "summaries",
    "summary_ops",
    "target_column",
    "topology",
    "tpu",
    "tpu_config",
    "tpu_context",
    "tpu_embedding",
    "tpu_estimator",
    "tpu_feed",
    "tpu_function",
    "tpu_optimizer",
    "tpu_sharding",
    "tpu_system_metadata",
    "training",
    "training_loop",
    "training_util",
    "utils",
    "variables",
}


def counterpart(module: str, generation: Generation) -> str | None:
    """The module that takes the place of one of TensorFlow; None for one that is still there, or is not known.

    Args:
      module: its dotted name, from `tensorflow` or `tensorflow_estimator` on.
      generation: that of the program.
    """
    private = _PRIVATE.match(module)
    if private:
        return _own(_PRIVATE_FOLDERS.get(private[1], "estimator"), generation)
    published = module
    for pattern, public in _PUBLISHED:
        published = pattern.sub(public, published)
    if published.startswith("tensorflow.keras") and published != "tensorflow.keras.estimator":
        return published if published != module else None
    return _public(published, generation)


def _public(module: str, generation: Generation) -> str | None:
    """The counterpart of a module with a public name."""
    if module == "tensorflow":
        return V1 if generation is Generation.V1 else None
    if module == "tensorflow.compat.v1":
        return V1
    if module.startswith("tensorflow.compat.v1."):
        below = module.removeprefix("tensorflow.compat.v1.")
        return f"{V1}.{below}" if _is_lost(below) else None
    below = module.removeprefix("tensorflow.")
    if below == module:
        return None
    is_gone = generation is Generation.V1 and below.split(".")[0] not in _SAME_IN_VERSION_2
    return _own(below, generation) if is_gone or _is_lost(below) else None


def _is_lost(below: str) -> bool:
    return any(below == name or below.startswith(f"{name}.") for name in _LOST)


def _own(below: str, generation: Generation) -> str | None:
    """The module of ours that stands for `tf.<below>`."""
    root, _, rest = below.partition(".")
    if generation is Generation.V1 or root == "contrib":
        return f"{V1}.{below}"
    if below == "keras.estimator":
        return ESTIMATOR
    if root == "estimator":
        return f"{ESTIMATOR}.{rest}" if rest else ESTIMATOR
    return None


def place(module: str) -> str:
    """The module of ours to write into an import: the same, but for a few that are only called so."""
    return _LIES_IN.get(module, module)


def holds_module(module: str, name: str) -> bool:
    """Whether `name`, imported from a module of TensorFlow, may be a module too, and no class or function."""
    if module.startswith("tensorflow.python.layers"):
        return module == "tensorflow.python.layers" and name.islower()
    if module.startswith("tensorflow.contrib.") and ".python" in module:
        return name in _CONTRIB_MODULES
    return module in _HOLDS_MODULES or (_PRIVATE.match(module) is not None and name in _PRIVATE_MODULES)
