"""Requests to Vertex AI that the tests share: one machine, a cluster, GPUs, spot machines, a sweep."""

from __future__ import annotations

import pathlib

from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import submit as submit_vertex
from trainer.launch.vertex.options import Provisioning, VertexOptions
from trainer.launch.vertex.submit import Submission

ROOT = pathlib.Path(__file__).parent.parent.parent
IMAGE = "us-docker.pkg.dev/my-project/train/trainer:1.0"
EXECUTOR = "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-21.py311:latest"
PACKAGE = "gs://my-bucket/packages/trainer-0.1.0.tar.gz"
OUTPUT = "gs://my-bucket/runs/a"
PROJECT, REGION = "my-project", "us-central1"

OPTIONS = {
    "one": VertexOptions(
        project=PROJECT, executor_image=EXECUTOR, package=(PACKAGE,), output_dir=OUTPUT, name="one machine"
    ),
    "cluster": VertexOptions(
        project=PROJECT,
        executor_image=EXECUTOR,
        package=(PACKAGE,),
        output_dir=OUTPUT,
        worker=2,
        ps=1,
        evaluator=1,
        machine="n2-standard-8",
        ps_machine="n2-highmem-8",
        evaluator_machine="n1-standard-4",
        disk="pd-standard:200",
        service_account="train@my-project.iam.gserviceaccount.com",
        network="projects/123456/global/networks/default",
        reserved_ip_ranges=("range-a",),
        label=("team=forecast", "cost_center=42"),
        env=("TF_CPP_MIN_LOG_LEVEL=2",),
        restart_job_on_worker_restart=True,
        timeout="8h",
        tensorboard="projects/my-project/locations/us-central1/tensorboards/123",
        encryption_key="projects/my-project/locations/us-central1/keyRings/ring/cryptoKeys/key",
    ),
    "evaluator_alone": VertexOptions(project=PROJECT, image=IMAGE, output_dir=OUTPUT, evaluator=1, web_access=True),
    "gpu": VertexOptions(
        project=PROJECT,
        image=IMAGE,
        output_dir=OUTPUT,
        worker=1,
        machine="n1-standard-8",
        accelerator="NVIDIA_TESLA_T4:2",
        chief_machine="a2-highgpu-1g",
        chief_accelerator="NVIDIA_TESLA_A100:1",
        provisioning=Provisioning.FLEX_START,
        max_wait="90m",
    ),
    "spot": VertexOptions(
        project=PROJECT,
        image=IMAGE,
        output_dir=OUTPUT,
        worker=3,
        provisioning=Provisioning.SPOT,
        disable_retries=True,
        timeout="2d",
    ),
    "sweep": VertexOptions(
        project=PROJECT,
        image=IMAGE,
        output_dir=OUTPUT,
        worker=1,
        config=str(pathlib.Path(__file__).parent / "vertex_sweep.yaml"),
        label=("team=forecast",),
    ),
}
ARGV = [
    "--train_steps=1000",
    "--train_data_paths=gs://my-bucket/data/train-*.csv",
    "--eval_data_paths=gs://my-bucket/e.csv",
]


def submission(name: str, endpoint: str | None = None) -> Submission:
    """The checked request of that name."""
    return submit_vertex.prepare(OPTIONS[name], ServiceOptions(endpoint=endpoint), ARGV, {})
