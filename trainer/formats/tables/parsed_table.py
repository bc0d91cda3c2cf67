"""One table whose parsed rows are kept in a folder of this machine, and the manifest that says so."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.formats.tables.learning_pass import Learnt
from trainer.formats.tables.parsed_rows import ParsedStream, RowFormat
from trainer.formats.tables.parts import TableStream
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.splitting import Part
from trainer.formats.text.bad_rows import BadRow
from trainer.job import records
from trainer.storage.kept_folders import KeptFolder

MANIFEST = "table.json"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ParsedTable:
    """A table that is kept.

    Attributes:
      folder: where.
      format: of its rows.
      texts: of each column of texts, by their numbers.
      learnt: what the rows say.
    """

    folder: KeptFolder
    format: RowFormat
    texts: Mapping[str, Sequence[str]]
    learnt: Learnt

    def stream(self, text: TableStream, files: range, part: Part) -> ParsedStream:
        """The rows of a part.

        Args:
          text: what reads them from the files.
          files: the numbers of these.
          part: which.
        """
        paths = tuple(str(self.folder.path / name_of(file, part)) for file in files)
        compressed = (False,) * len(paths)
        return ParsedStream(
            paths=paths, compressed=compressed, source=text, format=self.format, texts=self.texts, folder=self.folder
        )


def name_of(file: int, part: Part) -> str:
    """The name of the file of a part."""
    return f"{file}.{part.name.lower()}"


def manifest(
    learnt: Learnt, kept: RowFormat, texts: Mapping[str, Sequence[str]], sizes: Mapping[str, int]
) -> dict[str, Any]:
    """What the manifest says, as JSON has it.

    Args:
      learnt: of the table.
      kept: of each row.
      texts: by their numbers, for each column.
      sizes: bytes of files, by their paths.
    """
    return {
        "format": dataclasses.asdict(kept),
        "texts": texts,
        "sizes": {os.path.basename(path): size for path, size in sizes.items()},
        "learnt": {**dataclasses.asdict(learnt), "rows": [list(row) for row in learnt.rows]},
    }


def opened(folder: KeptFolder) -> ParsedTable:
    """A table that is kept. Raises DamagedRecordError, OSError, TypeError or ValueError where it is not whole."""
    path = folder.path / MANIFEST
    record = records.parsed(
        path.read_bytes(), str(path), {"format": dict, "texts": dict, "sizes": dict, "learnt": dict}
    )
    for name, size in record["sizes"].items():
        if (folder.path / name).stat().st_size != size:
            raise ValueError(f"{name} is not of {size} bytes")
    kept = RowFormat(**{name: tuple(columns) for name, columns in record["format"].items()})
    found = record["learnt"]
    learnt = Learnt(
        schema=TableSchema.of_json(found["schema"]),
        counts=tuple(found["counts"]),
        bad=tuple(map(tuple, found["bad"])),
        rows=tuple(BadRow(*row) for row in found["rows"]),
    )
    return ParsedTable(folder=folder, format=kept, texts=record["texts"], learnt=learnt)
