from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import pytest

from trainer.formats.files import contents, named
from trainer.formats.files.download_cache import DownloadCache
from trainer.job.errors import DataError


def write(path: Path, content: bytes | str) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def lines_of(path: str, block_bytes: int = contents.BLOCK_BYTES) -> list[str]:
    return [line for _, lines in contents.text_blocks(path, block_bytes) for line in lines]


def test_globs_and_files_are_merged_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("part-10.csv", "part-2.csv", "part-1.csv", "other.txt"):
        write(tmp_path / name, "1\n")
    found = named.resolve((f"{tmp_path}/*.csv", f" {tmp_path}/part-2.csv"), "train_data_paths", DownloadCache())
    assert [os.path.basename(path) for path in found] == ["part-1.csv", "part-2.csv", "part-10.csv"]


def test_a_file_whose_name_holds_brackets_is_not_a_glob(tmp_path: Path) -> None:
    path = write(tmp_path / "a[1].csv", "1\n")
    assert named.resolve((path,), "train_data_paths", DownloadCache()) == (path,)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("none-*.csv", "--train_data_paths: no file matches .*none-.*Check the pattern"),
        ("dat.csv", "there is no file .*The nearest name there is .*data.csv"),
        ("away/data.csv", "The folder .*away' is not there either"),
        ("", "is a directory.*Name the files in it: .*csv"),
        ("empty.csv", r"'.*empty.csv' is empty \(0 bytes\).*Accepted: at least one row"),
        ("table.parquet", "is Parquet.*Accepted: CSV or TFRecord"),
    ],
)
def test_a_path_that_names_no_data_is_refused_with_its_flag(tmp_path: Path, pattern: str, message: str) -> None:
    write(tmp_path / "data.csv", "1\n")
    write(tmp_path / "empty.csv", "")
    write(tmp_path / "table.parquet", b"PAR1....")
    with pytest.raises(DataError, match=message) as caught:
        named.resolve((os.path.join(tmp_path, pattern),), "train_data_paths", DownloadCache())
    assert caught.value.exit_code == 2


def test_an_address_of_another_kind_is_refused_with_the_way_round() -> None:
    with pytest.raises(DataError, match="s3://a/b.csv is an address of a kind.*Accepted: .* and gs://.*Copy the data"):
        named.resolve(("s3://a/b.csv",), "train_data_paths", DownloadCache())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block_bytes", [3, 1 << 20])
def test_lines_are_the_same_for_every_line_end_and_block_size(tmp_path: Path, end: str, block_bytes: int) -> None:
    text = end.join(["1,2", "33,44", "", "5,6"])
    for content in (text, text + end):
        assert lines_of(write(tmp_path / "a.csv", content), block_bytes) == ["1,2", "33,44", "", "5,6"]


def test_blocks_carry_the_number_of_their_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "".join(f"{i}\n" for i in range(1, 100)))
    for first, lines in contents.text_blocks(path, 16):
        assert lines[0] == str(first)


def test_gzip_is_known_by_its_content_and_its_size_is_that_of_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", gzip.compress(b"1,2\n" * 1000))
    assert lines_of(path) == ["1,2"] * 1000
    assert contents.plain_bytes(path) == 4000


def test_a_byte_order_mark_of_utf8_is_taken_off(tmp_path: Path) -> None:
    assert lines_of(write(tmp_path / "a.csv", b"\xef\xbb\xbf1,2\n")) == ["1,2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n".encode("utf-16"), "a.csv:1: a byte order mark of UTF-16.*iconv"),
        (b"1,2\n3,\0\n", "a.csv:2: a NUL byte.*Accepted: UTF-8 text"),
        (b"1,2\n3,4\n\xe9,1\n", "a.csv:3: byte 0xe9 is not UTF-8.*iconv -f LATIN1"),
        (gzip.compress(str(3**8_000).encode())[:900], "a.csv: damaged gzip.*gzip -t"),
    ],
)
@pytest.mark.parametrize("block_bytes", [4, 1 << 20])
def test_bytes_that_are_no_text_are_refused_at_their_line(
    tmp_path: Path, content: bytes, message: str, block_bytes: int
) -> None:
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(DataError, match=message):
        lines_of(path, block_bytes)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LONGEST_LINE_BYTES", 1 << 10)
    with pytest.raises(DataError, match="a.csv:2: a line longer than"):
        lines_of(write(tmp_path / "a.csv", "1\n" + "1" * 9000), 512)


def test_a_file_compressed_with_zlib_is_named(tmp_path: Path) -> None:
    packed, text = tmp_path / "a.tfrecord", tmp_path / "a.csv"
    packed.write_bytes(zlib.compress(b"1,2,3\n" * 100))
    text.write_text("x^2,y\n1,2\n")
    with pytest.raises(DataError, match="a.tfrecord' is compressed with ZLIB.*Write it with compression GZIP"):
        named.resolve((str(packed),), "train_data_paths", DownloadCache())
    assert named.resolve((str(text),), "train_data_paths", DownloadCache()) == (str(text),)
