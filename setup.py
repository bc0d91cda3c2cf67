"""What is installed: on this machine by pip, on a cloud runner from the source distribution that this file builds."""

from __future__ import annotations

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "trainer" / "__init__.py").read_text(encoding="utf-8"))
assert VERSION is not None

# Lower bounds are what the tests run with.
TRAINING = [
    "absl-py>=2.5",  # the flags of trainer.task
    "cloudml-hypertune>=0.1.0.dev6",  # builds the lines that a tuner reads; only released as a development version
    "google-cloud-storage>=3.17",  # buckets: what a runner's image has to bring for gs:// paths
    "google-crc32c>=1.5",  # checksums of TFRecord, without TensorFlow
    "keras>=3.15",  # layers, optimizers and metrics in model functions
    "numpy>=2.0",  # reading data and scoring baselines before TensorFlow is loaded
    "packaging>=24.0",  # doctor compares versions
    "protobuf>=6.31",  # checkpoint states, SavedModels and examples, as TensorFlow's own files have them
    "rich>=15.0",  # the live line on a terminal
    "tensorboard>=2.21",  # tf.summary needs it, and TensorFlow no longer brings it
    # Where a wheel without CUDA exists it is a third of the size; docs/contributing.md says how to train on a GPU.
    'tensorflow-cpu>=2.21; sys_platform == "linux" and platform_machine == "x86_64"',
    'tensorflow>=2.21; sys_platform != "linux" or platform_machine != "x86_64"',
]
LAUNCH = [
    "PyYAML>=6.0",  # sweep and job files
    "optuna>=5.0,<6",  # samplers, pruners and storage of sweeps
]
DEV = [
    "google-cloud-aiplatform>=2.7",  # the official types and client of Vertex AI, beside which requests are tested
    # Needed by the line above. Without bounds of their own pip tries hundreds of combinations of old versions.
    "google-api-core>=2.44",
    "google-cloud-bigquery>=3.47",
    "google-cloud-resource-manager>=1.19",
    "google-genai>=2.34",
    "grpcio-status>=1.85",
    "proto-plus>=1.29",
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

setup(
    name="trainer",
    version=VERSION[1],
    description="Training jobs for TensorFlow in the programming model of tf.estimator",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["trainer", "trainer.*"]),
    package_data={"trainer.launch.sweep": ["*.html"]},
    install_requires=TRAINING,
    extras_require={"launch": LAUNCH, "dev": LAUNCH + DEV},
)
