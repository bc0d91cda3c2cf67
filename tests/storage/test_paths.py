"""Tests of trainer.storage.paths."""

from __future__ import annotations

import pytest

from trainer import storage
from trainer.storage import paths

HOSTILE = ["../x", "/abs", "a/../../b", "a//b", "a/./b", "a\0b", "a\\b", "..", "", "a/" + "n" * 300, "é" * 128]


def test_a_path_is_a_bucket_and_a_name() -> None:
    assert paths.parse("gs://my-bucket/a/b c") == paths.ObjectName("my-bucket", "a/b c")
    assert paths.parse("gs://my-bucket") == paths.ObjectName("my-bucket", "")
    assert str(paths.parse("gs://my-bucket/a")) == "gs://my-bucket/a"


@pytest.mark.parametrize("path", ["gs://", "gs:///x", "gs://UPPER/x", "gs://a/x", "s3://bucket/x", "bucket/x"])
def test_what_is_no_bucket_is_refused(path: str) -> None:
    with pytest.raises(storage.PathError, match="gs://BUCKET/NAME"):
        paths.parse(path)


def test_a_password_in_a_path_is_not_repeated() -> None:
    with pytest.raises(storage.PathError) as error:
        paths.parse("gs://user:hunter2@bucket/x")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["n" * 1025, "a\0b", "a\nb"])
def test_names_that_no_object_can_have_are_refused(name: str) -> None:
    with pytest.raises(storage.PathError, match="Accepted: at most 1024 bytes"):
        paths.parse(f"gs://bucket/{name}")


@pytest.mark.parametrize("name", HOSTILE)
def test_an_objects_name_never_leaves_the_directory(name: str) -> None:
    with pytest.raises(storage.PathError, match="cannot be a file below /data"):
        paths.below("/data", name)


@pytest.mark.parametrize("name", ["a", "a/b.csv", "..a/b..", "ünï/…", "n" * 255])
def test_plain_names_become_files(name: str) -> None:
    assert paths.below("/data", name) == f"/data/{name}"


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("gs://b/*.csv", "gs://b/x.csv", True),
        ("gs://b/*.csv", "gs://b/sub/x.csv", False),
        ("gs://b/**/*.csv", "gs://b/sub/sub/x.csv", True),
        ("gs://b/**/*.csv", "gs://b/x.csv", True),
        ("gs://b/x-?.csv", "gs://b/x-1.csv", True),
        ("gs://b/x-[0-4].csv", "gs://b/x-5.csv", False),
        ("gs://b/x-[!0-4].csv", "gs://b/x-5.csv", True),
        ("gs://b/a.b*", "gs://b/aXb", False),
        ("gs://b/train-*", "gs://b/train-1\n", True),
    ],
)
def test_globs_match_as_in_a_shell(pattern: str, path: str, expected: bool) -> None:
    assert bool(paths.matcher(pattern).fullmatch(path)) is expected


def test_a_listing_begins_with_what_every_match_begins_with() -> None:
    assert paths.literal_part("gs://b/data/train-*.csv") == "gs://b/data/train-"
    assert not paths.is_pattern("gs://b/data/train.csv")
