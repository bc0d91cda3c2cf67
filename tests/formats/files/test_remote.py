from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from tests.bucket.faults import Rule
from tests.bucket.process import BucketServer
from trainer import storage
from trainer.formats.files import contents, named, remote
from trainer.formats.files.download_cache import START_BYTES, DownloadCache
from trainer.formats.files.remote import RemoteFile
from trainer.formats.records.tfrecords import first_records
from trainer.job.errors import DataError
from trainer.storage.framing import frame

pytestmark = pytest.mark.process
Folder = Callable[..., str]


@pytest.fixture
def folder(request: pytest.FixtureRequest, bucket: BucketServer) -> Folder:
    """Makes objects below a folder of the test's own; the folder."""

    def made(**objects: bytes) -> str:
        place = f"gs://bucket/{request.node.originalname}"
        for name, data in objects.items():
            storage.write(f"{place}/{name}", data)
        return place

    return made


def test_globs_and_objects_are_merged_in_the_order_of_their_numbers(folder: Folder, cache: DownloadCache) -> None:
    place = folder(**{"part-10.csv": b"1", "part-2.csv": b"1", "a/part-1.csv": b"1", "other.txt": b"1"})
    found = named.resolve((f"{place}/*.csv", f" {place}/part-2.csv"), "train_data_paths", cache)
    assert [path.rpartition("/")[2] for path in found] == ["part-2.csv", "part-10.csv"]
    assert all(isinstance(path, RemoteFile) and path.entry.generation for path in found)
    assert len(named.resolve((f"{place}/**.csv",), "train_data_paths", cache)) == 3


def test_a_mounted_path_is_the_bucket_s_where_nothing_is_mounted(folder: Folder, cache: DownloadCache) -> None:
    place = folder(**{"a.csv": b"1"})
    assert named.resolve((place.replace("gs://", "/gcs/") + "/a.csv",), "eval_data_paths", cache) == (f"{place}/a.csv",)


def test_an_object_whose_name_holds_brackets_is_found_by_its_name(folder: Folder, cache: DownloadCache) -> None:
    place = folder(**{"a[1].csv": b"1"})
    assert named.resolve((f"{place}/a[1].csv",), "train_data_paths", cache) == (f"{place}/a[1].csv",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none-*.csv", "--train_data_paths: no object matches 'gs://.*none-.*Check the pattern with gcloud storage ls"),
        ("dat.csv", "--train_data_paths: there is no object .*The nearest name there is gs://.*/data.csv"),
        ("away/data.csv", "there is no object .*See what is there: gcloud storage ls gs://.*/away/"),
        ("sub", "'gs://.*/sub' is a folder.*Name the objects in it: gs://.*/sub/"),
        ("empty.csv", r"'gs://.*empty.csv' is empty \(0 bytes\).*Accepted: at least one row"),
        ("table.parquet", "is Parquet.*Accepted: CSV or TFRecord"),
    ],
)
def test_a_path_that_names_no_data_is_refused_with_its_flag(
    folder: Folder, name: str, message: str, cache: DownloadCache
) -> None:
    place = folder(**{"data.csv": b"1", "sub/x": b"1", "sub/": b"", "empty.csv": b"", "table.parquet": b"PAR1...."})
    with pytest.raises(DataError, match=message) as caught:
        named.resolve((f"{place}/{name}",), "train_data_paths", cache)
    assert caught.value.exit_code == 2


def test_a_bucket_that_is_not_there_is_refused_with_its_flag(bucket: BucketServer, cache: DownloadCache) -> None:
    with pytest.raises(DataError, match="--eval_data_paths: Listing gs://no-such-bucket/.* there is no such") as caught:
        named.resolve(("gs://no-such-bucket/*.csv",), "eval_data_paths", cache)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("status", "advice"), [("401", "gcloud auth application-default"), ("403", "Grant it roles")])
def test_a_bucket_that_refuses_is_told_with_the_way_to_be_let_in(
    bucket: BucketServer, status: str, advice: str, cache: DownloadCache
) -> None:
    bucket.set_faults(Rule(kind=status))
    with pytest.raises(DataError, match=rf"--train_data_paths: Listing gs://bucket/ failed.*{advice}") as caught:
        named.resolve(("gs://bucket/*.csv",), "train_data_paths", cache)
    assert caught.value.exit_code == 2


def test_a_generation_is_pinned_when_the_data_are_listed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, cache: DownloadCache
) -> None:
    monkeypatch.setattr(remote, "FEW_BYTES", 0)  # as if they were many: nothing is fetched yet but their starts
    place = folder(**{"a.csv": b"1\n" * 100_000})
    (path,) = named.resolve((f"{place}/a.csv",), "train_data_paths", cache)
    folder(**{"a.csv": b"2\n" * 100_000})
    with pytest.raises(DataError, match=r"/a.csv was written again or deleted since this job listed it"):
        list(contents.text_blocks(path))


def test_of_many_files_only_the_starts_are_fetched_at_first(
    bucket: BucketServer, folder: Folder, monkeypatch: pytest.MonkeyPatch, cache: DownloadCache
) -> None:
    monkeypatch.setattr(remote, "FEW_BYTES", 0)
    place = folder(**{f"{number}.csv": b"1,2\n" * 100_000 for number in range(3)})
    before = len(bucket.log())
    found = named.resolve((f"{place}/*.csv",), "train_data_paths", cache)
    assert [contents.first_lines(path)[:1] for path in found] == [["1,2"]] * 3
    assert [contents.plain_bytes(path) for path in found] == [400_000] * 3
    assert sum(entry["sent"] for entry in bucket.log()[before:]) < 600_000


def test_the_start_of_a_large_gzip_is_read_without_its_end(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, cache: DownloadCache
) -> None:
    monkeypatch.setattr(remote, "FEW_BYTES", 0)
    text = "".join(f"{number},{number * 7919 % 100_003}\n" for number in range(100_000)).encode()
    place = folder(**{"a.csv.gz": gzip.compress(text), "bad.csv.gz": b"\x1f\x8b" + bytes(100_000)})
    (path,) = named.resolve((f"{place}/a.*",), "train_data_paths", cache)
    first = contents.first_lines(path)
    assert "\n".join(first).encode() == text[: len("\n".join(first))]
    assert 1000 < len(first) < 100_000
    (bad,) = named.resolve((f"{place}/bad.*",), "train_data_paths", cache)
    with pytest.raises(DataError, match=r"/bad.csv.gz: damaged gzip \("):
        contents.first_lines(bad)


@pytest.mark.parametrize("cut", [False, True])
def test_records_are_checked_as_far_as_their_start_reaches(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, cut: bool, cache: DownloadCache
) -> None:
    if cut:
        monkeypatch.setattr(remote, "FEW_BYTES", 0)
    good, bad = frame(b"x" * 1000), frame(b"x" * 1000)[:-1] + b"?"
    place = folder(**{"good": good * 100, "bad": good + bad + good * 100})
    found, hurt = (named.resolve((f"{place}/{name}",), "train_data_paths", cache)[0] for name in ("good", "bad"))
    assert len(list(first_records(found, 1 << 20))) == (START_BYTES // len(good) if cut else 100)
    with pytest.raises(DataError, match="/bad, record 2: the checksum of its data is wrong"):
        list(first_records(hurt, 1 << 20))
