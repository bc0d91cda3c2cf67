"""Combinations of flags: requests fit the official types and the discovery document, contradictions are refused."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from tests.launch import vertex_requests
from tests.vertex import discovery
from trainer.launch import __main__ as launcher

STUDY = f"--config={pathlib.Path(__file__).parent.parent}/vertex_sweep.yaml"
ACCOUNT = "--service_account=train@my-project.iam.gserviceaccount.com"
AT = "projects/my-project/locations/us-central1"
RESERVED = "--reservation=projects/my-project/zones/us-central1-a/reservations/mine"
PACKAGED = [f"--executor_image={vertex_requests.EXECUTOR}", f"--package={vertex_requests.PACKAGE}"]
IMAGE = [f"--image={vertex_requests.IMAGE}"]
# Flags, and beginnings of the notes on what is newer than our lists.
ACCEPTED: list[tuple[str, list[str]]] = [
    ("", []),
    ("--worker=1", []),
    ("--worker=4 --ps=2", []),
    ("--worker=2 --ps=1 --evaluator=1", []),
    ("--evaluator=1", []),
    ("--worker=1 --evaluator=1 --restart_job_on_worker_restart", []),
    ("--machine=e2-standard-4", []),
    ("--machine=n2d-highcpu-32 --worker=7", []),
    ("--machine=c2-standard-60", []),
    ("--machine=c3-highmem-22", []),
    ("--machine=m1-ultramem-40 --disk=pd-standard:64000", []),
    ("--machine=n2-standard-8 --ps_machine=n2-highmem-8 --worker=1 --ps=1", []),
    ("--machine=c4-standard-8", ["the machine type 'c4-standard-8'"]),
    ("--machine=n4-highmem-16 --worker=2", ["the machine type 'n4-highmem-16'"]),
    ("--machine=c3-standard-8-lssd", ["the machine type 'c3-standard-8-lssd'"]),
    ("--accelerator=NVIDIA_TESLA_T4", []),
    ("--accelerator=NVIDIA_TESLA_T4:4 --machine=n1-highmem-16 --worker=3", []),
    ("--accelerator=NVIDIA_TESLA_V100:8 --machine=n1-standard-96", []),
    ("--accelerator=NVIDIA_TESLA_P100:2 --worker=1 --ps=1", []),
    ("--chief_accelerator=NVIDIA_TESLA_T4:1 --worker=2", []),
    ("--evaluator_accelerator=NVIDIA_TESLA_T4:1 --evaluator=1", []),
    ("--machine=g2-standard-4 --accelerator=NVIDIA_L4", []),
    ("--machine=g2-standard-96 --accelerator=NVIDIA_L4:8", []),
    ("--machine=g2-standard-96 --accelerator=NVIDIA_L4:2", ["2 of the 8 NVIDIA_L4"]),
    ("--machine=g4-standard-48 --accelerator=NVIDIA_RTX_PRO_6000:1", []),
    ("--machine=g4-standard-384 --accelerator=NVIDIA_RTX_PRO_6000:8", []),
    ("--machine=g4-standard-12 --accelerator=NVIDIA_RTX_PRO_6000:1", ["the machine type 'g4-standard-12'"]),
    ("--machine=a2-highgpu-1g --accelerator=NVIDIA_TESLA_A100:1", []),
    ("--machine=a2-megagpu-16g --accelerator=NVIDIA_TESLA_A100:16", []),
    ("--machine=a2-ultragpu-4g --accelerator=NVIDIA_A100_80GB:4 --worker=1", []),
    ("--machine=a3-highgpu-8g --accelerator=NVIDIA_H100_80GB:8", []),
    ("--machine=a3-highgpu-8g --accelerator=NVIDIA_H100_80GB:4", ["4 of the 8 NVIDIA_H100_80GB"]),
    ("--machine=a3-megagpu-8g --accelerator=NVIDIA_H100_MEGA_80GB:8", []),
    ("--machine=a3-ultragpu-8g --accelerator=NVIDIA_H200_141GB:8 --disk=hyperdisk-balanced:200", []),
    ("--machine=a4-highgpu-8g --accelerator=NVIDIA_B200:8 --worker=3", []),
    ("--machine=a4x-highgpu-4g --accelerator=NVIDIA_GB200:4 --worker=1", []),
    ("--machine=a4x-maxgpu-4g --accelerator=NVIDIA_GB200:4", ["the machine type 'a4x-maxgpu-4g'"]),
    ("--machine=ct5lp-hightpu-4t --tpu_topology=2x2", []),
    ("--machine=ct6e-standard-8t --tpu_topology=2x4 --provisioning=spot", []),
    ("--machine=cloud-tpu --accelerator=TPU_V3:8", []),
    ("--provisioning=spot", []),
    ("--provisioning=spot --disable_retries --worker=2", []),
    ("--provisioning=standard --timeout=28d", []),
    ("--provisioning=flex_start --max_wait=12h --machine=a3-highgpu-8g --accelerator=NVIDIA_H100_80GB:8", []),
    ("--provisioning=flex_start --max_wait=0 --machine=g2-standard-8 --accelerator=NVIDIA_L4", []),
    (f"{RESERVED} --machine=a3-highgpu-8g --accelerator=NVIDIA_H100_80GB:8", []),
    (f"{RESERVED},projects/my-project/zones/us-central1-b/reservations/b --worker=1 --ps=1", []),
    ("--reservation=any --worker=1", []),
    ("--reservation=none", []),
    ("--reservation=any --provisioning=spot", ["reserved machines with strategy SPOT"]),
    ("--nfs=10.0.0.2:/data:data --network=projects/123456/global/networks/default", []),
    ("--nfs=10.0.0.2:/data:data,nas.example.com:/more/data:more --worker=1 --ps=1 --evaluator=1", []),
    ("--network=projects/123456/global/networks/default --reserved_ip_ranges=a,b", []),
    ("--network_attachment=attached", []),
    ("--network_attachment=projects/my-project/regions/us-central1/networkAttachments/attached --worker=1", []),
    ("--persistent_resource=my-pool --worker=2", []),
    (f"{ACCOUNT} --tensorboard={AT}/tensorboards/123", []),
    (f"{ACCOUNT} --web_access --env=TF_CPP_MIN_LOG_LEVEL=2,A=b=c", []),
    (f"--encryption_key={AT}/keyRings/ring/cryptoKeys/key --label=team=forecast,cost_center=42", []),
    ("--disk=pd-standard:200 --chief_disk=pd-ssd:500 --worker=1", []),
    ("--region=europe-west4 --machine=n1-standard-4", []),
    ("--region=asia-southeast3 --worker=1", []),
    ("--region=northamerica-south1", ["the region 'northamerica-south1'"]),
    (STUDY, []),
    (f"{STUDY} --worker=1 --evaluator=1", []),
    (f"{STUDY} --accelerator=NVIDIA_TESLA_T4 --provisioning=spot", []),
    (f"{STUDY} --machine=g4-standard-48 --accelerator=NVIDIA_RTX_PRO_6000", []),
    (f"{STUDY} {RESERVED} --network_attachment=attached", []),
]
CASES = [(words, notes, program) for words, notes in ACCEPTED for program in (IMAGE, PACKAGED)]
# Flags that contradict each other, and what is said of them.
REFUSED = [
    ("--ps=1", "parameter servers without workers"),
    ("--evaluator=2", "2 evaluators. Accepted: one"),
    ("--machine=n2-standard-8 --accelerator=NVIDIA_TESLA_T4", "NVIDIA_TESLA_T4 in a n2-standard-8"),
    ("--accelerator=NVIDIA_TESLA_T4:8", "8 NVIDIA_TESLA_T4 in a n1-standard-4. Accepted: a power of two, up to 4"),
    ("--accelerator=NVIDIA_L4", "NVIDIA_L4 in a n1-standard-4. Accepted: NVIDIA_L4 in g2-standard machines"),
    ("--machine=g2-standard-24 --accelerator=NVIDIA_L4:4", "g2-standard-24 with 4 NVIDIA_L4. Accepted: 2 NVIDIA_L4"),
    ("--machine=g4-standard-48 --accelerator=NVIDIA_L4", "g4-standard-48 with 1 NVIDIA_L4"),
    ("--machine=g4-standard-12 --accelerator=NVIDIA_L4", "g4-standard-12 with 1 NVIDIA_L4"),
    ("--machine=a4x-highgpu-4g --accelerator=NVIDIA_B200:4", "a4x-highgpu-4g with 4 NVIDIA_B200"),
    ("--machine=a4x-highgpu-4g --accelerator=NVIDIA_GB200:8", "a4x-highgpu-4g with 8 NVIDIA_GB200"),
    ("--machine=a3-highgpu-8g", "a3-highgpu-8g with no accelerator"),
    ("--machine=e2-standard-4 --accelerator=NVIDIA_B300", "NVIDIA_B300 in a e2-standard-4"),
    ("--tpu_topology=2x4", "a topology of TPUs in a n1-standard-4"),
    ("--machine=ct6e-standard-8t --tpu_topology=eight", "'eight'. Accepted: numbers with x between"),
    ("--provisioning=spot --max_wait=1h", "a wait with strategy SPOT"),
    ("--timeout=29d", "'2505600s'. Accepted: seconds with an s"),
    ("--restart_job_on_worker_restart --disable_retries", "restarts together with disableRetries"),
    ("--reservation=mine", "'mine'. Accepted: projects/P/zones/Z/reservations/NAME"),
    (
        "--reservation=projects/p/zones/europe-west4-a/reservations/r",
        "in another region than the job. Accepted: one in us-central1. Set --region=europe-west4",
    ),
    ("--network_attachment=projects/p/regions/us-east1/networkAttachments/a", "in another region than the job"),
    ("--network_attachment=Attached", "'Attached'. Accepted: a name, or projects/P/regions/R/networkAttachments"),
    (
        "--network_attachment=attached --network=projects/123456/global/networks/default",
        "a network attachment together with a network to peer with",
    ),
    ("--nfs=10.0.0.2:/data", "--nfs=10.0.0.2:/data. Accepted: SERVER:/PATH:NAME"),
    ("--nfs=10.0.0.2:/a:data,10.0.0.2:/b:data", "'data' twice. Accepted: each name once"),
    (f"{ACCOUNT} --tensorboard=projects/p/locations/us-east1/tensorboards/1", "in another region than the job"),
    ("--encryption_key=projects/p/locations/eu/keyRings/r/cryptoKeys/k", "in another region than the job"),
    ("--region=us-central1-a", "'us-central1-a' is a zone"),
]


def dry_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit code of a dry run, the request and what else was said."""
    region = [] if any(word.startswith("--region=") for word in words) else ["--region=us-central1"]
    own = ["--project=my-project", f"--output_dir={vertex_requests.OUTPUT}", *region, *words, "--dry_run"]
    code = launcher.main(["submit", "vertex", *own, "--", *vertex_requests.ARGV])
    said = capsys.readouterr()
    return code, said.out, said.err


def fits(request: dict[str, Any]) -> list[str]:
    """What the official types and the discovery document have against a request."""
    kind = "HyperparameterTuningJob" if "trialJobSpec" in request else "CustomJob"
    message = getattr(types, kind)()
    try:
        json_format.ParseDict(request, type(message).pb(message))
    except json_format.ParseError as error:
        return [str(error)]
    return discovery.errors(request, "aiplatform.v1", f"GoogleCloudAiplatformV1{kind}")


@pytest.mark.parametrize(
    ("words", "notes", "program"), CASES, ids=[f"{words or 'alone'} {program[0][2:7]}" for words, _, program in CASES]
)
def test_what_is_accepted_fits_the_official_types_and_the_discovery_document(
    words: str, notes: list[str], program: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = dry_run([*words.split(), *program], capsys)
    assert code == 0, err
    assert fits(json.loads(out)) == []
    told = {line.partition("note: ")[2] for line in err.splitlines() if "note: " in line}
    assert len(told) == len(notes) and all(any(line.startswith(note) for line in told) for note in notes), err


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=[words for words, _ in REFUSED])
def test_what_contradicts_itself_is_refused(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = dry_run([*words.split(), *IMAGE], capsys)
    assert (code, out) == (2, "") and told in err


def test_an_accelerator_that_is_newer_than_all_lists_is_left_to_the_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--machine=a5-highgpu-8g", "--accelerator=NVIDIA_B300:8", *IMAGE]
    code, out, err = dry_run(words, capsys)
    assert code == 0 and all(f"note: the {name}" in err for name in ("machine type 'a5-h", "accelerator 'NVIDIA_B300'"))
    assert fits(json.loads(out.replace("NVIDIA_B300", "NVIDIA_B200"))) == []


def test_no_region_of_the_discovery_document_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    endpoints = discovery.document("aiplatform.v1")["endpoints"]
    regions = sorted({entry["location"] for entry in endpoints if entry["location"] not in ("us", "eu")})
    codes = {region: dry_run([f"--region={region}", *IMAGE], capsys)[0] for region in regions}
    assert len(codes) > 30 and set(codes.values()) == {0}
