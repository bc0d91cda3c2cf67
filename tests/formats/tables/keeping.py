"""A process that reads and keeps a table, without TensorFlow: `keeping.py SCRATCH FILE…`, which says what it has."""

from __future__ import annotations

import hashlib
import sys

from trainer.formats.settings import BadRowsPolicy
from trainer.formats.tables import reading
from trainer.formats.tables.parsed_rows import ParsedStream
from trainer.formats.tables.settings import TableData


def settings(*paths: str) -> TableData:
    """For a table with bad rows and a sentinel."""
    return TableData(
        train_data_paths=paths,
        label_column="label",
        bad_rows=BadRowsPolicy.SKIP,
        missing_values=("-9999",),
        train_batch_size=64,
        num_epochs=2,
        seed=7,
    )


def main() -> None:
    """Begins when a line comes in."""
    print("ready", flush=True)
    sys.stdin.readline()
    train = reading.describe(settings(*sys.argv[2:]), None, None, sys.argv[1], memory_limit=0, parsed_from=1).train
    assert isinstance(train, ParsedStream)
    print(type(train).__name__, train.folder.path, sep="\n")
    for path in sorted(train.folder.path.iterdir()):
        print(path.name, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
