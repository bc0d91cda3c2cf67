"""The bad days of a bucket: which request meets which fault, the same ones for the same seed."""

from __future__ import annotations

import dataclasses
import enum
import fnmatch
import hashlib
import threading
from collections.abc import Mapping
from typing import Any

from tests.bucket.routes import WRITES, Call


class Kind(enum.Enum):
    """What can happen; a status of 400 to 599 is a fault, too, and says so instead of performing."""

    RESET = "reset"  # the connection breaks before anything is done
    LOST_RESPONSE = "lost_response"  # it is done, then the connection breaks
    TRUNCATION = "truncation"  # it is done, and half of the response comes
    STALL = "stall"  # nothing is done and nothing comes, until the plan changes or stall_secs are over
    BIT_FLIP = "bit_flip"  # a bit of the object changes on its way, in or out; checksums are those of the right one


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """One fault, with the requests that may meet it.

    Attributes:
      kind: a value of `Kind`, or a status such as "503".
      rate: of the requests that match.
      ops: patterns of operations, such as "upload", "download", "list", "resumable.*".
      objects: pattern of the object's name ('' for operations without one).
      skip: matching requests to let through first.
      count: how often at most; None for ever.
    """

    kind: str
    rate: float = 1.0
    ops: tuple[str, ...] = ("*",)
    objects: str = "*"
    skip: int = 0
    count: int | None = None

    def __post_init__(self) -> None:
        kinds = [kind.value for kind in Kind]
        if self.kind not in kinds and not (self.kind.isdecimal() and 400 <= int(self.kind) <= 599):
            raise ValueError(f"fault {self.kind!r}: it is one of {', '.join(kinds)}, or a status from 400 to 599")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"fault {self.kind}: rate {self.rate} is not between 0 and 1")

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdecimal() else None

    def concerns(self, call: Call) -> bool:
        if self.kind == Kind.BIT_FLIP.value and call.op not in (*WRITES, "download"):
            return False
        return any(fnmatch.fnmatchcase(call.op, op) for op in self.ops) and fnmatch.fnmatchcase(
            call.name or "", self.objects
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is not as it should be.

    Attributes:
      rules: tried in this order; a request meets one at most.
      seed: of the draws.
      latency_secs: before each response.
      stall_secs: how long a stalled request is held.
      down_secs: from the moment the plan is set on, every connection breaks; None for an hour, 0 for not at all.
      one_write_a_second: refuse (429) faster writes to one name.
    """

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    latency_secs: float = 0.0
    stall_secs: float = 3600.0
    down_secs: float | None = 0.0
    one_write_a_second: bool = False


def plan_of(given: Mapping[str, Any]) -> Plan:
    """A plan from JSON: `{"rules": [{"kind": "503", "rate": 0.1}], "latency_secs": 0.03}`.

    Raises:
      ValueError: a word that is none.
    """
    try:
        rules = [Rule(**{**rule, "ops": tuple(rule.get("ops", ("*",)))}) for rule in given.get("rules", ())]
        return Plan(**{**given, "rules": tuple(rules)})
    except TypeError as error:
        raise ValueError(f"a plan of faults: {error}") from error


class Draws:
    """Decides by plan, request by request.

    The draw of a request depends on the seed, its operation and object, and how many of them came before: threads that
    overtake each other change nothing.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], int] = {}
        self._matched = [0] * len(plan.rules)
        self._hits = [0] * len(plan.rules)

    def decide(self, call: Call) -> Rule | None:
        """The fault that this request meets, if any."""
        where = call.op, call.bucket or "", call.name or ""
        with self._lock:
            nth = self._seen[where] = self._seen.get(where, 0) + 1
            for index, rule in enumerate(self._plan.rules):
                if not rule.concerns(call):
                    continue
                self._matched[index] += 1
                spent = rule.count is not None and self._hits[index] >= rule.count
                if self._matched[index] <= rule.skip or spent:
                    continue
                if uniform(self._plan.seed, index, *where, nth) < rule.rate:
                    self._hits[index] += 1
                    return rule
        return None


def uniform(*words: object) -> float:
    """In [0, 1), by the words alone."""
    digest = hashlib.sha256("\0".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
