"""What files hold, told without reading all of a large one."""

from __future__ import annotations

import os
import pathlib

import pytest

from trainer import storage
from trainer.storage import checksums, fingerprints
from trainer.storage.entry import Entry
from trainer.storage.fingerprints import Fingerprint

LARGE = (64 << 20) + 12345


def large(path: pathlib.Path) -> pathlib.Path:
    with path.open("wb") as stream:
        stream.truncate(LARGE)  # a hole: it takes no space
    return path


def of(*paths: pathlib.Path) -> list[Fingerprint]:
    return fingerprints.of([entry for path in paths for entry in storage.entries(str(path))])


def in_bucket(name: str, content: bytes) -> Entry:
    return Entry(
        path=f"gs://b/{name}", size=len(content), generation=1, crc32c=checksums.of_bytes(content), updated=0.0
    )


def test_a_file_is_known_by_content_and_neither_by_name_nor_by_time(tmp_path: pathlib.Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_bytes(b"1,2\n")
    other.write_bytes(b"1,2\n")
    os.utime(other, (1.0, 1.0))
    first, second = of(one, other)
    assert first.is_of_same(second) and (first.name, second.name) == ("one.csv", "other.csv")
    other.write_bytes(b"1,3\n")
    assert not first.is_of_same(of(other)[0])


def test_a_file_is_the_same_in_a_bucket(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    (here,), (there, changed) = (
        of(tmp_path / "a.csv"),
        fingerprints.of([in_bucket("a", b"1,2\n"), in_bucket("a", b"1,3\n")]),
    )
    assert here.is_of_same(there) and there.is_of_same(here)
    assert not here.is_of_same(changed)


@pytest.mark.parametrize("place", [0, 100, LARGE - 1, LARGE - 60_000])
def test_of_a_large_file_the_ends_are_looked_at(tmp_path: pathlib.Path, place: int) -> None:
    file = large(tmp_path / "large.csv")
    before = of(file)[0]
    with file.open("rb+") as stream:
        stream.seek(place)
        stream.write(b"x")
    assert not before.is_of_same(of(file)[0])


def test_of_a_large_file_samples_are_read(tmp_path: pathlib.Path) -> None:
    file = large(tmp_path / "large.csv")
    before = of(file)[0]
    with file.open("rb+") as stream:
        stream.seek(LARGE // 2)
        stream.write(b"x" * (8 << 20))
    assert not before.is_of_same(of(file)[0])
    assert list(before.checksums) == ["16 blocks"]


def test_a_record_gives_the_fingerprint_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    (found,) = of(tmp_path / "a.csv")
    assert Fingerprint.of_record(found.record()) == found
    with pytest.raises(ValueError, match="not enough values"):
        Fingerprint.of_record(["a.csv", 4])
