"""Tests of trainer.storage on local paths."""

from __future__ import annotations

import pathlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainer import storage


def test_what_is_written_is_read(tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "new" / "x")
    generation = storage.write(file, b"one")
    assert storage.read(file) == b"one"
    entry = storage.stat(file)
    assert entry is not None and (entry.size, entry.generation) == (3, generation)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x"]


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    message = r"Reading .*/x failed: there is no such file\. Check the path"
    with pytest.raises(storage.NotFoundError, match=message) as error:
        storage.read(str(tmp_path / "x"))
    assert error.value.exit_code == 2
    assert storage.stat(str(tmp_path / "x")) is None


def test_only_the_expected_generation_is_written_over(tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "x")
    first = storage.write(file, b"one", if_generation=storage.ABSENT)
    with pytest.raises(storage.ConflictError, match="has another generation than expected"):
        storage.write(file, b"two", if_generation=storage.ABSENT)
    second = storage.write(file, b"three", if_generation=first)
    with pytest.raises(storage.ConflictError):
        storage.write(file, b"four", if_generation=first)
    storage.delete(file, if_generation=first)
    assert storage.read(file) == b"three"
    storage.delete(file, if_generation=second)
    storage.delete(file)
    assert not storage.exists(file)


def test_of_several_writers_one_wins(tmp_path: pathlib.Path) -> None:
    file = str(tmp_path / "x")

    def attempt(number: int) -> bool:
        try:
            storage.write(file, b"%d" % number, if_generation=storage.ABSENT)
        except storage.ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert sum(won) == 1 and storage.read(file) == b"%d" % won.index(True)


def test_paths_name_files_trees_and_globs(tmp_path: pathlib.Path) -> None:
    for name in ("a/1.csv", "a/2.txt", "a/b/3.csv"):
        storage.write(str(tmp_path / name), b"")

    def names(path: str) -> list[str]:
        return [str(pathlib.Path(entry.path).relative_to(tmp_path)) for entry in storage.entries(f"{tmp_path}/{path}")]

    assert names("a") == ["a/1.csv", "a/2.txt", "a/b/3.csv"]
    assert names("a/*.csv") == ["a/1.csv"]
    assert names("a/**/*.csv") == ["a/1.csv", "a/b/3.csv"]
    assert names("a/1.csv") == ["a/1.csv"]
    assert names("nothing") == names("*.md") == []


def test_a_file_streams_in_blocks(tmp_path: pathlib.Path) -> None:
    storage.write(str(tmp_path / "x"), b"abcdefg")
    assert list(storage.open_stream(str(tmp_path / "x"), block_bytes=3)) == [b"abc", b"def", b"g"]


def test_a_path_with_a_nul_is_an_error_of_ours(tmp_path: pathlib.Path) -> None:
    with pytest.raises(storage.PathError, match="Accepted: a path without NUL"):
        storage.read(str(tmp_path / "a\0b"))
