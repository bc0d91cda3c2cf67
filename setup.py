"""What is installed: on this machine by pip, on a cloud runner from the source distribution that this file builds.

TRAINER_TENSORFLOW says which wheel brings TensorFlow: `tensorflow` (the default, which the images of cloud runners
have, so that theirs is left alone) or `tensorflow-cpu`, a third of the size. Both hold the same package, so an
environment may have one of them only.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys

from setuptools import find_namespace_packages, find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "trainer" / "__init__.py").read_text(encoding="utf-8"))
assert VERSION is not None

WHEELS = ("tensorflow", "tensorflow-cpu")
TENSORFLOW = os.environ.get("TRAINER_TENSORFLOW") or WHEELS[0]
if TENSORFLOW not in WHEELS:
    sys.exit(f"TRAINER_TENSORFLOW is {TENSORFLOW!r}. It is one of {', '.join(WHEELS)}, or unset")
VERSIONS = ">=2.21,<2.22"

# Lower bounds are what the tests run with. TensorFlow and Keras have upper ones, because some of what is used of them
# is not public (trainer/estimator/graph/inside): the tests of that folder are the first to run with a new release.
TRAINING = [
    "absl-py>=2.5",  # the flags of trainer.task
    "cloudml-hypertune>=0.1.0.dev6",  # builds the lines that a tuner reads; only released as a development version
    "google-cloud-storage>=3.17",  # buckets: what a runner's image has to bring for gs:// paths
    "google-crc32c>=1.5",  # checksums of TFRecord, without TensorFlow
    "keras>=3.15,<3.16",  # layers, optimizers and metrics in model functions
    "numpy>=2.0",  # reading data and scoring baselines before TensorFlow is loaded
    "packaging>=24.0",  # doctor compares versions
    "protobuf>=6.31",  # checkpoint states, SavedModels and examples, as TensorFlow's own files have them
    "rich>=15.0",  # the live line on a terminal
    "tensorboard>=2.21",  # tf.summary needs it, and TensorFlow no longer brings it
    f"{TENSORFLOW}{VERSIONS}",  # what everything here is for
]
GPU = [f"tensorflow[and-cuda]{VERSIONS}"]  # CUDA, for a machine with a GPU and nothing but its driver
LAUNCH = [
    "PyYAML>=6.0",  # sweep and job files
    "optuna>=5.0,<6",  # samplers, pruners and storage of sweeps
]
SERVE = [
    "uvicorn>=0.54,<1",  # HTTP
    "httptools>=0.9,<1",  # reads HTTP in C
    "starlette>=1.10,<2",  # routes, requests and answers
    "prometheus-client>=0.26,<1",  # figures for monitors
]
REPORT = ["matplotlib>=3.10"]  # draws report.html
MLFLOW = ["mlflow-skinny>=3.10,<4"]  # the client of a tracker of experiments, without its server
WANDB = ["wandb>=0.30,<1"]  # likewise
COMPAT = [f"tf_keras{VERSIONS}"]  # the layers and cells of TensorFlow 1, beside Keras 3
MIGRATE = ["libcst>=1.9,<2"]  # reads and writes Python sources with their comments and layout
DEV = [
    "google-cloud-aiplatform>=2.7",  # the official types and client of Vertex AI, beside which requests are tested
    # Needed by the line above. Without bounds of their own pip tries hundreds of combinations of old versions.
    "google-api-core>=2.44",
    "google-api-python-client>=2.202",  # discovery documents of Google's services, beside which bodies are tested
    "google-cloud-bigquery>=3.47",
    "google-cloud-resource-manager>=1.19",
    "google-genai>=2.34",
    "grpcio-status>=1.85",
    "proto-plus>=1.29",
    "httpx>=0.28",  # asks the server
    "hypothesis>=6.150",  # properties of flags
    "kubernetes>=37.0",  # the official models of its API, beside which manifests are tested
    "mypy>=2.0",  # types
    "pytest>=9.0",  # tests
    "pytest-timeout>=2.4",  # ends a test that hangs
    "pytest-xdist>=3.8",  # a worker on each core; earlier releases begin with small files and end with long ones
    "ruff>=0.15",  # lint
    "trustme>=1.2",  # lets the gs:// of TensorFlow meet the bucket server of the tests
    "types-PyYAML>=6.0",  # types of PyYAML, for mypy
]

# Beside setup.py of a packed source lies what is to be installed, and nothing else: the package, and modules of a
# problem that was packed with it. In a clone there are tests and examples too.
if (ROOT / "PKG-INFO").is_file():
    PACKAGES, DATA = find_namespace_packages(exclude=["build", "build.*"]), {"": ["*"]}
    MODULES = sorted(path.stem for path in ROOT.glob("*.py") if path.name != "setup.py")
else:
    PACKAGES = find_packages(include=["trainer", "trainer.*"])
    DATA = {
        "trainer.launch.completion": ["script.*"],
        "trainer.launch.sweep": ["*.html"],
        "trainer.launch.kubernetes": ["schemas.json"],
        "trainer.reporting": ["*.html"],
    }
    MODULES = []

setup(
    name="trainer",
    version=VERSION[1],
    description="Training jobs for TensorFlow in the programming model of tf.estimator",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=PACKAGES,
    py_modules=MODULES,
    package_data=DATA,
    install_requires=TRAINING,
    extras_require={
        "gpu": GPU,
        "launch": LAUNCH,
        "serve": SERVE,
        "report": REPORT,
        "mlflow": MLFLOW,
        "wandb": WANDB,
        "compat": COMPAT,
        "migrate": MIGRATE,
        # The scripts add compat, which would bring a second wheel of TensorFlow.
        "dev": LAUNCH + SERVE + REPORT + MLFLOW + WANDB + MIGRATE + DEV,
    },
)
