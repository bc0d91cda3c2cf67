"""A table whose files, run and predictions are in a bucket."""

from __future__ import annotations

import gzip

import pytest

from tests.bucket.fixtures import module_bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from trainer import predict, storage, task

pytestmark = pytest.mark.process


def lines(first: int, count: int) -> bytes:
    """Customers that leave where their number is even."""
    rows = [f"{n % 2},{'mty'[n % 3]},{('stays', 'leaves')[1 - n % 2]}" for n in range(first, first + count)]
    return ("\n".join(["parity,contract,churn", *rows]) + "\n").encode()


def test_a_table_is_read_trained_on_and_predicted_in_a_bucket(
    module_bucket_server: BucketServer,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage.write("gs://bucket/data/a.csv", lines(0, 90))
    storage.write("gs://bucket/data/b.csv.gz", gzip.compress(lines(90, 70)))
    flags = ["--label_column=churn", "--model=linear", "--learning_rate=.1", "--train_steps=40", "--seed=1"]
    data = "--train_data_paths=gs://bucket/data/*.csv,gs://bucket/data/*.csv.gz"
    assert task.main([data, "--output_dir=gs://bucket/run", "--noreport", "--train_batch_size=16", *flags]) == 0
    assert storage.exists("gs://bucket/run/table.json")
    told = capsys.readouterr().err
    assert "A table of 160 rows" in told
    asked = ["--model_dir=gs://bucket/run", "--input=gs://bucket/data/b.csv.gz", "--outputs=class", "--keep=churn"]
    assert predict.main([*asked, "--output=gs://bucket/out/b.csv.gz"]) == 0
    head, *rows = gzip.decompress(storage.read("gs://bucket/out/b.csv.gz")).decode().split()
    assert head == "churn,class" and len(rows) == 70
    assert all(row.partition(",")[0] == row.partition(",")[2] for row in rows)
