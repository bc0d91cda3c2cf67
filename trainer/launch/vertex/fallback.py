"""`--fallback`: what is tried next where machines are short. Pure; sending.py acts on it.

Spot machines and whole regions run out of accelerators. Vertex AI then refuses the job (429), lets it wait, or fails it
with RESOURCE_EXHAUSTED; what comes next has the same output directory, so that it continues the run.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from trainer.job.errors import UsageError
from trainer.launch.vertex.options import Provisioning, VertexOptions

ON_DEMAND = "on_demand"


def alternatives(chosen: VertexOptions, words: Sequence[str]) -> list[VertexOptions]:
    """The job as it is submitted first, and as it is after each word of `--fallback`.

    Args:
      chosen: the job as the flags say.
      words: `on_demand`, or a region; each changes what the one before it left.

    Raises:
      UsageError: another word, or one that changes nothing.
    """
    found = [chosen]
    for word in words:
        last = found[-1]
        if word == ON_DEMAND:
            following = dataclasses.replace(last, provisioning=Provisioning.STANDARD, max_wait=None)
            if last.provisioning in (None, Provisioning.STANDARD):
                got, do = f"--fallback={word} without spot machines", "Add --provisioning=spot, or drop it"
                raise UsageError(got, "something to fall back from", do)
        elif re.fullmatch(r"[a-z]+-[a-z]+\d+", word):
            following = dataclasses.replace(last, region=word)
            if word in [option.region for option in found]:
                raise UsageError(f"--fallback={word}, which was tried before", "another region", "Drop it")
        else:
            raise UsageError(f"--fallback={word}", f"{ON_DEMAND}, or a region such as us-east1", "Correct the word")
        found.append(following)
    return found


def described(chosen: VertexOptions) -> str:
    """Where and on what machines, in a few words."""
    return f"{(chosen.provisioning or Provisioning.STANDARD).value} machines in {chosen.region}"
