"""The table of docs/kubernetes.md that says what exit codes do, as data: the tests hold the controllers against it."""

from __future__ import annotations

import enum
import re

from tests.launched import ROOT

_HEADING = "## What the exit codes do"


class Outcome(enum.Enum):
    """What becomes of a job one of whose processes ends with a code; the value is how the docs say it."""

    DONE = "the job succeeds"
    FAILS = "the job fails"
    AGAIN = "it is started again, uncounted"
    COUNTED = "it is started again, up to `--max_restarts`"
    AS_1 = "counted as 1 is"


def read() -> dict[str, dict[int, Outcome]]:
    """By kind of job, by exit code; of a range of codes the one that is named first."""
    text = (ROOT / "docs" / "kubernetes.md").read_text().partition(_HEADING)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    heads, _, *of_codes = rows
    table: dict[str, dict[int, Outcome]] = {kind: {} for head in heads[1:] for kind in head.split(", ")}
    for first, *cells in of_codes:
        found = re.match(r"\d+", first)
        assert found, f"no exit code at the beginning of {first!r}"
        for head, cell in zip(heads[1:], cells, strict=True):
            for kind in head.split(", "):
                table[kind][int(found[0])] = _outcome(cell)
    return table


def _outcome(cell: str) -> Outcome:
    (outcome,) = [outcome for outcome in Outcome if cell.startswith(outcome.value)]
    return Outcome.COUNTED if outcome is Outcome.AS_1 else outcome
