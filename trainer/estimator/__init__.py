"""HOW it trains: the programming model of tf.estimator on current TensorFlow and Keras 3."""

from typing import Never

from trainer.estimator import experimental, inputs, tpu
from trainer.estimator.canned.baseline import BaselineClassifier, BaselineEstimator, BaselineRegressor
from trainer.estimator.canned.dnn import DNNClassifier, DNNEstimator, DNNRegressor
from trainer.estimator.canned.dnn_linear_combined import (
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
)
from trainer.estimator.canned.example_specs import classifier_parse_example_spec, regressor_parse_example_spec
from trainer.estimator.canned.linear import LinearClassifier, LinearEstimator, LinearRegressor
from trainer.estimator.contract import export
from trainer.estimator.contract.hooks import (
    CheckpointSaverListener,
    ProfilerHook,
    RunContext,
    RunValues,
    TrainingHook,
)
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.session_hooks import (
    CheckpointSaverHook,
    FeedFnHook,
    FinalOpsHook,
    GlobalStepWaiterHook,
    LoggingTensorHook,
    NanLossDuringTrainingError,
    NanTensorHook,
    SecondOrStepTimer,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    StepCounterHook,
    StopAtStepHook,
    SummarySaverHook,
    VocabInfo,
)
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation.best_exporter import BestExporter
from trainer.estimator.evaluation.exporters import Exporter, FinalExporter, LatestExporter
from trainer.estimator.evaluation.specs import EvalSpec, TrainSpec
from trainer.estimator.heads.head import Head
from trainer.estimator.heads.keys import MetricKeys, PredictionKeys
from trainer.estimator.heads.multi_head import MultiHead
from trainer.estimator.heads.named_heads import (
    BinaryClassHead,
    LogisticRegressionHead,
    MultiClassHead,
    MultiLabelHead,
    PoissonRegressionHead,
    RegressionHead,
)
from trainer.estimator.keras import model_to_estimator
from trainer.estimator.metrics import add_metrics
from trainer.estimator.not_given import missing
from trainer.estimator.saving.warm_start import WarmStartSettings
from trainer.estimator.training import train_and_evaluate

__all__ = [
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "BestExporter",
    "BinaryClassHead",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeedFnHook",
    "FinalExporter",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "Head",
    "LatestExporter",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
    "LoggingTensorHook",
    "LogisticRegressionHead",
    "MetricKeys",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "PoissonRegressionHead",
    "PredictionKeys",
    "ProfilerHook",
    "RegressionHead",
    "RunConfig",
    "RunContext",
    "RunValues",
    "SecondOrStepTimer",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "TrainSpec",
    "TrainingHook",
    "VocabInfo",
    "WarmStartSettings",
    "add_metrics",
    "classifier_parse_example_spec",
    "experimental",
    "export",
    "inputs",
    "model_to_estimator",
    "regressor_parse_example_spec",
    "tpu",
    "train_and_evaluate",
]


def __getattr__(name: str) -> Never:
    raise missing(__name__, name)
