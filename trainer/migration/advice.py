"""What has no counterpart here, and what to do instead: names, no code."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Advice:
    """What a report says of a name.

    Attributes:
      got: what it is; `{name}` stands for the name as the program spells it.
      do: what to write instead.
    """

    got: str
    do: str


_SESSION = Advice(
    "{name} runs a Session, and there is none in training, evaluation or prediction here",
    "Let an Estimator do it: train, evaluate, predict; a Session(graph=…) of a graph of its own still runs",
)
_QUEUE = Advice(
    "{name} needs a Session; the queues and readers of an input function are read without",
    "Leave it out, and call tf.train.batch in the input function; better, return a tf.data.Dataset from that",
)
_HUB = Advice(
    "tensorflow_hub's modules of TensorFlow 1 need a Session",
    "Load a SavedModel with hub.KerasLayer in the model function, or compute the embeddings as features beforehand",
)
_SLIM = Advice(
    "slim, which TensorFlow lost, is not given here",
    "Write the layers with tf.contrib.layers or Keras, whose applications have most of its networks; or try tf_slim",
)
_EXPERIMENT = Advice(
    "{name} is older than tf.estimator, which replaced it in TensorFlow 1.4",
    "Use tf.estimator: train_and_evaluate with a TrainSpec and an EvalSpec, and its estimators",
)
_BOOSTED = Advice(
    "{name} needs kernels that TensorFlow lost", "Train trees with a library for them, or take a DNN estimator"
)
NOT_GIVEN = Advice("{name} is not given here", "Write it in the model function, or see docs/differences.md")
_KERAS_SESSION = Advice("{name}: Keras 3 has no Session", "Leave it out: variables need no initialisation here")
_SESSION_CONTEXT = Advice(
    "{name}: a hook has no Session here",
    "Ask for tensors by before_run's SessionRunArgs, or read variables with Estimator.get_variable_value",
)
_FLAGS = Advice("{name} is older than absl's flags", "Use flags.FLAGS.flag_values_dict(), and drop _parse_flags()")
_DIVISION = Advice(
    "A program for Python 2: / between whole numbers rounded down there",
    "Look at its divisions; write // where a whole number is wanted",
)
_URLLIB = Advice("{name} is split in Python 3", "Import urllib.request, urllib.parse or urllib.error")
_EXAMPLES = Advice("{name} is gone from TensorFlow", "Read the data with keras.datasets or tf.data")

# By a name or the beginning of one, that of `tf` left out. The longest that fits counts.
OF_TENSORFLOW: dict[str, Advice] = {
    **dict.fromkeys(
        (
            "Session",
            "InteractiveSession",
            "train.MonitoredSession",
            "train.MonitoredTrainingSession",
            "train.SingularMonitoredSession",
            "train.Supervisor",
            "train.SessionManager",
            "get_default_session",
        ),
        _SESSION,
    ),
    **dict.fromkeys(
        (
            "train.Coordinator",
            "train.start_queue_runners",
            "PriorityQueue",
        ),
        _QUEUE,
    ),
    "contrib.slim": _SLIM,
    "contrib.learn": _EXPERIMENT,
    "keras.backend.get_session": _KERAS_SESSION,
    "keras.backend.set_session": _KERAS_SESSION,
    "estimator.BoostedTrees": _BOOSTED,
    "estimator.experimental.BoostedTrees": _BOOSTED,
    **dict.fromkeys(
        (
            "estimator.experimental.KMeans",
            "estimator.experimental.LinearSDCA",
            "estimator.experimental.RNN",
        ),
        NOT_GIVEN,
    ),
}
CONTRIB_GIVEN = {
    "cluster_resolver",
    "crf",
    "data",
    "distribute",
    "estimator",
    "framework",
    "keras",
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
}
NO_CONTRIB = Advice("{name} is not among what is given of tf.contrib", "Write it with tf or Keras, or copy its code")
GONE = Advice("{name} is not in this TensorFlow", "See the TensorFlow 1 to 2 guide for what took its place")
NO_SESSION_IN_HOOKS, OLD_FLAGS, DIVISION = _SESSION_CONTEXT, _FLAGS, _DIVISION

# By the beginning of the name of a module.
OF_MODULES: dict[str, Advice] = {
    "tensorflow_hub": _HUB,
    "nets": _SLIM,
    "tensorflow.examples": _EXAMPLES,
    "tensorflow.contrib": NO_CONTRIB,
    "urllib2": _URLLIB,
    "tensorflow_addons": Advice("tensorflow_addons ended with Keras 2", "Copy what is used of it"),
    "tensorflow_transform": Advice(
        "tensorflow_transform asks for a TensorFlow of its own", "See which release goes with TensorFlow 2.21"
    ),
    "tensorflow_model_analysis": Advice(
        "tensorflow_model_analysis asks for a TensorFlow of its own", "See which release goes with TensorFlow 2.21"
    ),
}


def of_tensorflow(name: str) -> Advice | None:
    """What to say of a name of `tf`, without that; None where it is known to be here or nothing is known of it."""
    parts = name.split(".")
    for known in sorted(OF_TENSORFLOW, key=len, reverse=True):
        is_prefix = known.endswith(("BoostedTrees", "RNN"))
        if name == known or name.startswith(f"{known}.") or (is_prefix and name.startswith(known)):
            return OF_TENSORFLOW[known]
    if parts[0] == "contrib" and len(parts) > 1 and parts[1] not in CONTRIB_GIVEN:
        return NO_CONTRIB
    return None


def of_module(name: str) -> Advice | None:
    """What to say of an imported module."""
    for known, advice in OF_MODULES.items():
        if name == known or name.startswith(f"{known}."):
            return advice
    return None
