"""Preconditions of requests: ifGenerationMatch and its relatives, and the headers of the XML API that say the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tests.bucket.messages import Refusal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conditions:
    """What must hold of an object; None for what may be as it likes. Generation 0 stands for no object."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, generation: int, metageneration: int, *, reading: bool = False) -> None:
        """Raises Refusal 412, or 304 for a read of what the reader has already."""
        for wanted, is_there, kind in (
            (self.generation_match, generation, "Generation"),
            (self.metageneration_match, metageneration, "Metageneration"),
        ):
            if wanted is not None and wanted != is_there:
                raise Refusal(412, f"if{kind}Match={wanted}: it is {is_there}", "conditionNotMet")
        for unwanted, is_there, kind in (
            (self.generation_not_match, generation, "Generation"),
            (self.metageneration_not_match, metageneration, "Metageneration"),
        ):
            if unwanted is not None and unwanted == is_there:
                status = 304 if reading else 412
                raise Refusal(status, f"if{kind}NotMatch={unwanted}: it is", "conditionNotMet")


def of_query(query: Mapping[str, str], prefix: str = "if") -> Conditions:
    """Of the JSON API's parameters; with the prefix `ifSource` those of a copy's source."""
    return Conditions(
        generation_match=_number(query, f"{prefix}GenerationMatch"),
        generation_not_match=_number(query, f"{prefix}GenerationNotMatch"),
        metageneration_match=_number(query, f"{prefix}MetagenerationMatch"),
        metageneration_not_match=_number(query, f"{prefix}MetagenerationNotMatch"),
    )


def of_headers(headers: Mapping[str, str]) -> Conditions:
    """Of the XML API's headers."""
    return Conditions(
        generation_match=_number(headers, "x-goog-if-generation-match"),
        metageneration_match=_number(headers, "x-goog-if-metageneration-match"),
    )


def _number(texts: Mapping[str, str], name: str) -> int | None:
    if name not in texts:
        return None
    try:
        return int(texts[name])
    except ValueError:
        raise Refusal(400, f"{name}={texts[name]} is no number") from None
