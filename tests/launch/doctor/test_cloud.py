"""What the doctor finds of the cloud: credentials, buckets, data and scratch room."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.bucket.fixtures import BUCKET, bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.job.findings import Level
from trainer.launch.doctor import cloud as doctor_cloud


def credentials(environ: dict[str, str]) -> tuple[Level, str, str | None]:
    (finding,) = doctor_cloud.credentials(environ)
    return finding.level, finding.got, finding.do


def test_a_key_file_is_named_and_its_content_is_not(tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": "PLANTED"}))
    level, found, _ = credentials({"GOOGLE_APPLICATION_CREDENTIALS": str(key)})
    assert (level, found) == (Level.OK, f"GOOGLE_APPLICATION_CREDENTIALS: {key} (service_account)")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        ("{", "is not valid JSON"),
        ("{}", "is not a Google key file"),
        ("[1]", "is not a Google key file"),
    ],
)
def test_a_key_file_that_is_none_is_wrong(content: str | None, told: str, tmp_path: pathlib.Path) -> None:
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    level, found, fix = credentials({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")})
    assert level is Level.ERROR and told in found and fix == "Name a key file, or unset the variable"


def test_gcloud_s_own_credentials_are_found_and_their_absence_has_its_fix(tmp_path: pathlib.Path) -> None:
    level, found, fix = credentials({"HOME": str(tmp_path)})
    assert level is Level.NOTE and found.startswith("none for Google Cloud here")
    assert fix == "For gs:// and submissions: gcloud auth application-default login"
    path = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"type": "authorized_user"}))
    assert credentials({"HOME": str(tmp_path)})[1] == f"gcloud: {path} (authorized_user)"


def test_an_emulator_needs_none() -> None:
    level, found, fix = credentials({"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"})
    assert level is Level.NOTE and "none are needed" in found and fix == "Unset it for Google's own buckets"


@pytest.mark.process
def test_a_bucket_that_can_be_written_is_fine_and_nothing_stays_in_it(bucket_server: BucketServer) -> None:  # noqa: F811
    finding = doctor_cloud.bucket(f"gs://{BUCKET}/run/")
    assert (finding.level, finding.got) == (Level.OK, f"gs://{BUCKET}/run/ can be written and read")
    assert storage.entries(f"gs://{BUCKET}/run") == []
    absent = doctor_cloud.bucket("gs://absent/run")
    assert absent.level is Level.ERROR and "gs://absent" in absent.got and absent.do


@pytest.mark.process
def test_paths_of_data_are_counted_and_empty_ones_are_wrong(
    bucket_server: BucketServer,  # noqa: F811
    tmp_path: pathlib.Path,
) -> None:
    storage.write(f"gs://{BUCKET}/data/a.csv", b"1,2\n")
    (tmp_path / "b.csv").write_text("1\n")
    good, local, bad = doctor_cloud.data([f"gs://{BUCKET}/data/*.csv", f"{tmp_path}/*.csv", f"gs://{BUCKET}/none-*"])
    assert (good.level, good.got) == (Level.OK, f"gs://{BUCKET}/data/*.csv: 1 files, 0.0 GB")
    assert (local.level, local.got) == (Level.OK, f"{tmp_path}/*.csv: 1 files, 0.0 GB")
    assert (bad.level, bad.got) == (Level.ERROR, f"gs://{BUCKET}/none-*: no such file")


def test_scratch_room_is_looked_at_where_it_would_be(tmp_path: pathlib.Path) -> None:
    finding = doctor_cloud.scratch_room({"TRAINER_SCRATCH": str(tmp_path / "new")})
    assert finding.got.startswith(f"{tmp_path}/new: ") and finding.got.endswith(" GB free")
    (tmp_path / "file").write_text("")
    wrong = doctor_cloud.scratch_room({"TRAINER_SCRATCH": str(tmp_path / "file" / "below")})
    assert wrong.level is Level.ERROR and wrong.do == "Set TRAINER_SCRATCH to a directory that is"
