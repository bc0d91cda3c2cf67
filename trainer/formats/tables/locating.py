"""Where the rows of a batch of training stand in the files of a table."""

from __future__ import annotations

import numpy as np

from trainer.formats import locating
from trainer.formats.locating import BatchRows
from trainer.formats.tables import kinds, learning_pass, reader
from trainer.formats.tables.parts import TableRows, TableStream
from trainer.formats.tables.reading import Table
from trainer.formats.tables.settings import TableData
from trainer.formats.text.bad_rows import BadRows


def places(table: Table, data: TableData, wanted: BatchRows) -> tuple[str, ...]:
    """Where rows of a batch stand, as `data.csv:118`.

    Args:
      table: as it was read for training.
      data: the settings.
      wanted: which rows.

    Returns:
      A place for each row, in their order; empty where there are too many rows before the batch.
    """
    part = table.train
    if not isinstance(part, TableRows):
        found = locating.streamed(part.text, data, wanted)
        lines = {path: _lines(table, data, part.text, path) for path, _ in found}
        return tuple(f"{path}:{lines[path][number]}" for path, number in found)
    every = [(path, line) for path in part.text.paths for line in _lines(table, data, part.text, path).tolist()]
    numbers = locating.in_memory(part.count, data, wanted)
    return tuple(f"{path}:{line}" for path, line in (every[number] for number in numbers))


def _lines(table: Table, data: TableData, stream: TableStream, path: str) -> np.ndarray:
    """The lines of a file that are examples of a stream, in order, int64 [examples]."""
    head = next(head for head in table.heads if head.path == path)
    layout = learning_pass.layout_of(head, kinds.choose(table.heads[0], data), data)
    read = reader.blocks(layout, BadRows(data))
    found = [block.lines[stream.split.parts(block.lines, block.split) == stream.part] for block in read]
    return np.concatenate(found)
