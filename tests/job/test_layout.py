"""Where a job's files lie."""

from __future__ import annotations

import os
import pathlib

import pytest

from trainer.job import layout
from trainer.job.errors import UsageError
from trainer.job.layout import Layout, from_environment


@pytest.mark.parametrize(
    ("output_dir", "environ", "trial", "root"),
    [
        ("out", {}, None, "out"),
        ("out/", {}, None, "out"),
        ("/", {}, None, "/"),
        ("gs://bucket/run/", {}, None, "gs://bucket/run"),
        ("out", {"CLOUD_ML_TRIAL_ID": "3"}, None, "out/3"),
        ("out", {}, "4", "out/4"),
        ("out", {"CLOUD_ML_TRIAL_ID": "3"}, "4", "out/3"),
        ("gs://bucket/run", {"CLOUD_ML_TRIAL_ID": "3"}, None, "gs://bucket/run/3"),
        ("out", {"AIP_MODEL_DIR": "gs://b/base/model/"}, None, "out"),
        (None, {"AIP_MODEL_DIR": "gs://b/base/model/"}, None, "gs://b/base"),
        (None, {"AIP_CHECKPOINT_DIR": "gs://b/base/checkpoints/"}, None, "gs://b/base/checkpoints"),
        (None, {"AIP_CHECKPOINT_DIR": "/gcs/no-mount/3/checkpoints/"}, "3", "gs://no-mount/3/checkpoints"),
        (
            None,
            {"AIP_MODEL_DIR": "/gcs/b/3/model/", "AIP_TENSORBOARD_LOG_DIR": "/gcs/b/3/logs/", "CLOUD_ML_TRIAL_ID": "3"},
            "3",
            "gs://b/3",
        ),
    ],
)
def test_the_root_comes_from_the_flag_the_trial_and_vertex(
    output_dir: str | None, environ: dict[str, str], trial: str | None, root: str
) -> None:
    assert from_environment(output_dir, environ, trial).root == root


def test_a_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert from_environment("~/runs", {}).root == "/home/ada/runs"


@pytest.mark.parametrize(
    ("output_dir", "environ", "message"),
    [
        (None, {}, "No --output_dir. Accepted: a directory, local or gs://"),
        ("s3://bucket/run", {}, "--output_dir begins with s3://. Accepted: a local directory, or gs://bucket/folder"),
        (None, {"AIP_MODEL_DIR": "gs://bucket/"}, "AIP_MODEL_DIR=gs://bucket has no parent directory"),
        ("out", {"CLOUD_ML_TRIAL_ID": "../1"}, "The trial '../1' cannot be a folder"),
        ("out", {"CLOUD_ML_TRIAL_ID": ".."}, "The trial '..' cannot be a folder"),
    ],
)
def test_no_place_or_a_bad_one_is_refused(output_dir: str | None, environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_environment(output_dir, environ)
    assert message in str(caught.value)


def test_what_vertex_looks_for_has_its_own_places() -> None:
    environ = {"AIP_MODEL_DIR": "gs://b/x/model/", "AIP_TENSORBOARD_LOG_DIR": "gs://b/x/logs/"}
    for output_dir in ("out", None):
        found = from_environment(output_dir, environ)
        assert (found.served_model, found.tensorboard) == ("gs://b/x/model", "gs://b/x/logs")
    assert from_environment("out", {}).served_model is None


def test_a_mount_of_a_bucket_counts_where_it_is_there() -> None:
    assert layout.resolved("/gcs/bucket/x", is_dir=lambda path: path == "/gcs/bucket") == "/gcs/bucket/x"
    assert layout.resolved("/gcs/bucket/x", is_dir=lambda path: False) == "gs://bucket/x"
    assert layout.resolved("/gcs", is_dir=lambda path: False) == "/gcs"
    assert layout.resolved("/data/x", is_dir=lambda path: False) == "/data/x"


@pytest.mark.parametrize("output_dir", ["gs://", "gs://b/x", "gs://Upper/x", "gs://ada:secret@b/x"])
def test_a_bucket_that_cannot_be_is_refused_before_anything_is_made(output_dir: str) -> None:
    found = from_environment(output_dir, {})
    with pytest.raises(UsageError, match="which is not the name of a bucket. Accepted: gs://BUCKET/FOLDER") as caught:
        layout.make_root(found)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("root", ["out", "gs://bucket/run"])
def test_everything_lies_below_the_root(root: str) -> None:
    job = Layout(root=root)
    found = [job.eval_events, job.exports_of("best"), job.training_done, job.summary, job.failure, job.generated_data]
    names = ["eval", "export/best", "training_done.json", "summary.json", "failure.json", "data"]
    assert found == [f"{root}/{name}" for name in names]


def test_a_missing_root_is_made(tmp_path: pathlib.Path) -> None:
    layout.make_root(Layout(root=str(tmp_path / "a" / "b")))
    assert (tmp_path / "a" / "b").is_dir()


def test_a_bucket_is_not_made_on_the_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout.make_root(Layout(root="gs://bucket/run"))
    assert os.listdir(tmp_path) == []


def test_a_root_that_is_a_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--output_dir=.*file: File exists"):
        layout.make_root(Layout(root=str(tmp_path / "file")))


@pytest.mark.parametrize("name", ["glob[1]*", "back\\slash"])
def test_a_root_whose_checkpoints_tensorflow_would_not_find_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"TensorFlow reads '\[' and '\\' in the path of a checkpoint as a pattern"):
        layout.make_root(Layout(root=str(tmp_path / name)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["n\udcff", "two\nlines", "\x1b[31m"])
def test_a_root_that_cannot_be_printed_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a path of printable characters, in UTF-8") as error:
        layout.from_environment(f"/tmp/{name}", {})
    assert name not in str(error.value)
