"""Predictions where the model, the rows and the predictions are in a bucket; and a server whose model is there."""

from __future__ import annotations

import gzip
import pathlib

import pytest

from tests.bucket.fixtures import module_bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.exported import small_model
from trainer import predict, storage
from trainer.serving.versions import Versions

pytestmark = pytest.mark.process
MODELS = "gs://bucket/run/export/latest"


@pytest.fixture(scope="module")
def model(module_bucket_server: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:  # noqa: F811
    """A local copy of the export that is in the bucket."""
    directory = small_model.write(tmp_path_factory.mktemp("model") / "1700000000")
    storage.copy_out(str(directory), f"{MODELS}/1700000000", last="saved_model.pb")
    return directory


def asked(*flags: str) -> int:
    return predict.main(["--model_dir=gs://bucket/run", "--input=gs://bucket/data/*.csv.gz", *flags])


def test_everything_may_be_in_a_bucket(model: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, x in enumerate((1, 2)):
        storage.write(f"gs://bucket/data/part-{number}.csv.gz", gzip.compress(f"{x},0,0\n".encode()))
    assert asked("--output=gs://bucket/out/all.csv.gz") == 0
    assert gzip.decompress(storage.read("gs://bucket/out/all.csv.gz")) == b"total\n1\n2\n"
    assert "gcloud storage cat gs://bucket/out/all.csv.gz | gunzip | head -3" in capsys.readouterr().out
    assert asked("--output=gs://bucket/out/all.csv.gz") == 2
    assert "all.csv.gz is there already" in capsys.readouterr().err
    assert asked("--output=gs://bucket/out/all.csv.gz", "--overwrite") == 0


def test_bad_rows_are_listed_in_the_bucket(model: pathlib.Path) -> None:
    storage.write("gs://bucket/other/in.csv", b"1,0,0\na,0,0\n")
    flags = ["--bad_rows=skip", "--max_bad_fraction=0.5", "--input=gs://bucket/other/in.csv"]
    assert asked(*flags, "--output=gs://bucket/other/out.csv") == 0
    assert b"gs://bucket/other/in.csv,2," in storage.read("gs://bucket/other/out.csv.bad_rows.csv")


def test_an_export_in_a_bucket_is_served_when_it_is_whole(model: pathlib.Path) -> None:
    versions = Versions("gs://bucket/run")
    versions.begin()
    for name in ("variables/variables.index", "variables/variables.data-00000-of-00001"):
        storage.upload(str(model / name), f"{MODELS}/1700000009/{name}")
    versions.look()
    assert versions.served is not None and versions.served.export.version == 1700000000
    storage.upload(str(model / "saved_model.pb"), f"{MODELS}/1700000009/saved_model.pb")
    versions.look()
    versions.look()
    assert versions.served.export.path == f"{MODELS}/1700000009"
