"""`python -m trainer.launch package`: what it writes, uploads and says."""

from __future__ import annotations

import pathlib
import tarfile

import pytest

from tests.bucket.fixtures import BUCKET, bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.launch.packaging.test_archive import source
from tests.launched import ROOT
from trainer import storage
from trainer.launch import __main__ as launcher
from trainer.launch.packaging import archive, package


def test_the_archive_and_a_dockerfile_lie_in_the_folder(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, folder = source(tmp_path / "source"), tmp_path / "out"
    assert launcher.main(["package", f"--source={root}", f"--directory={folder}", "--docker"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["Dockerfile", "trainer-1.2.3.tar.gz"]
    assert (folder / "trainer-1.2.3.tar.gz").read_bytes() == archive.build(root, {}).content
    assert "COPY trainer-1.2.3.tar.gz /opt/" in (folder / "Dockerfile").read_text()
    told = capsys.readouterr().out
    assert f"{folder}/trainer-1.2.3.tar.gz: 5 files, 1 KB" in told
    assert f"docker build --tag IMAGE {folder} && docker push IMAGE" in told


@pytest.mark.parametrize("words", [["--problem={}"], ["--", "--problem", "{}", "--train_steps=3"]])
def test_a_problem_of_ones_own_is_packed_and_the_image_trains_it(
    words: list[str], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / "examples" / "classification.py"
    flags = [word.format(path) for word in words]
    assert launcher.main(["package", f"--directory={tmp_path}", "--docker", *flags]) == 0
    assert f"--problem={path} packed (1 file): the task finds it with --problem=trainer.problems.classification" in (
        capsys.readouterr().out
    )
    assert '"--problem=trainer.problems.classification"]' in (tmp_path / "Dockerfile").read_text()
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as tar:
        assert any(name.endswith("/trainer/problems/classification.py") for name in tar.getnames())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--bucket=my-bucket"], "--bucket=my-bucket. Accepted: gs://bucket/folder. Add gs://."),
        (["--gpu"], "--gpu without --docker"),
        (["--dokcer"], "Unknown flag --dokcer. Did you mean --docker?"),
    ],
)
def test_wrong_usage_is_reported(
    argv: list[str], message: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["package", f"--source={source(tmp_path)}", f"--directory={tmp_path}/out", "--docker", *argv]
    if argv == ["--gpu"]:
        words.remove("--docker")
    assert launcher.main(words) == 2
    assert message in capsys.readouterr().err


def test_a_directory_that_cannot_be_written_is_reported(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert launcher.main(["package", f"--source={source(tmp_path)}", f"--directory={tmp_path}/taken"]) == 2
    assert "Name another --directory" in capsys.readouterr().err


@pytest.mark.process
def test_an_unchanged_package_is_uploaded_once(
    tmp_path: pathlib.Path,
    bucket_server: BucketServer,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = source(tmp_path / "source")
    words = ["package", f"--source={root}", f"--directory={tmp_path}/out", f"--bucket=gs://{BUCKET}/packages"]
    assert launcher.main(words) == 0
    built = archive.build(root, {})
    path = f"gs://{BUCKET}/packages/{built.sha256[:16]}/trainer-1.2.3.tar.gz"
    assert f"{path} uploaded\n" in capsys.readouterr().out
    assert storage.read(path) == built.content
    assert launcher.main(words) == 0
    assert f"{path} was already there\n" in capsys.readouterr().out


@pytest.mark.process
def test_what_lies_damaged_under_its_name_is_replaced(
    tmp_path: pathlib.Path,
    bucket_server: BucketServer,  # noqa: F811
) -> None:
    built = archive.build(source(tmp_path), {})
    storage.write(built.path_below(f"gs://{BUCKET}/p"), b"half of it")
    assert package.publish(built, f"gs://{BUCKET}/p") == (built.path_below(f"gs://{BUCKET}/p"), True)
    assert storage.read(built.path_below(f"gs://{BUCKET}/p")) == built.content
