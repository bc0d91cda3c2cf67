"""What can become of a combination's job: a process ends with a code, and the docs say what follows. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from tests.control_plane.exit_code_table import Outcome
from tests.launch.kubernetes.matrix import Combination, combinations
from trainer.launch.kubernetes.options import KubernetesOptions, Workload

Table = Mapping[str, Mapping[int, Outcome]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario:
    """A combination of flags, and what one process of its job does.

    Attributes:
      combination: of flags.
      who: the process, as `worker-1`.
      code: with which it ends.
      outcome: of that, as the docs say.
      too_often: whether it does so once more than --max_restarts allows.
    """

    combination: Combination
    who: str
    code: int
    outcome: Outcome
    too_often: bool = False

    def __str__(self) -> str:
        return f"{self.combination.name}-{self.who}-{self.code}{'-too-often' if self.too_often else ''}"

    @property
    def options(self) -> KubernetesOptions:
        """The flags, with --max_restarts where the docs speak of it."""
        return dataclasses.replace(self.combination.options(), max_restarts=self._max_restarts)

    @property
    def succeeds(self) -> bool:
        """Whether the job does, at last."""
        return self.outcome is not Outcome.FAILS and not self.too_often

    @property
    def lives(self) -> list[str]:
        """What the process does in each of its lives: its code, or to meet the others."""
        code, most = str(self.code), self._max_restarts or 0
        match self.outcome:
            case Outcome.DONE:
                return ["meet"]
            case Outcome.FAILS:
                return [code]
            case Outcome.AGAIN:
                return [code] * (most + 2) + ["meet"]
            case _:
                return [code] * most + [code if self.too_often else "meet"]

    @property
    def acts(self) -> str:
        """For the stand-in. Where nobody would wait for the process, the chief goes on until the job has ended."""
        waits = " chief-0:wait" if self.who in self.apart and not self.succeeds else ""
        return f"{self.who}:{'/'.join(self.lives)}{waits}"

    @property
    def processes(self) -> list[str]:
        """The names of all."""
        return _processes(self.options.counts)

    @property
    def apart(self) -> set[str]:
        """Those of which no other process knows: Kubeflow's evaluators are in no cluster."""
        return {name for name in self.processes if name == "evaluator-0" and self.options.kind is Workload.TFJOB}

    @property
    def _max_restarts(self) -> int | None:
        if self.combination.settings["kind"] is Workload.TFJOB:
            return None  # which its operator does not count
        most: int = self.combination.settings.get("max_restarts", int(self.outcome is Outcome.COUNTED))
        return most


def every(table: Table) -> Iterator[Scenario]:
    """Each accepted combination with each code; the process changes."""
    for combination in _accepted():
        for number, (code, outcome, too_often) in enumerate(_ends(combination, table)):
            yield _scenario(combination, code, outcome, too_often, number)


def in_turns(table: Table) -> Iterator[Scenario]:
    """Each accepted combination with one code, such that each kind of job meets each code many times."""
    for number, combination in enumerate(_accepted()):
        ends = _ends(combination, table)
        yield _scenario(combination, *ends[(number + number // len(ends)) % len(ends)], number)


def _accepted() -> list[Combination]:
    return [combination for combination in combinations() if combination.refused is None]


def _ends(combination: Combination, table: Table) -> list[tuple[int, Outcome, bool]]:
    """Codes and what becomes of them; what is counted ends well, or is counted too often."""
    found = []
    for code, outcome in table[combination.settings["kind"].value].items():
        found += [(code, outcome, too_often) for too_often in {False, outcome is Outcome.COUNTED}]
    return found


def _scenario(combination: Combination, code: int, outcome: Outcome, too_often: bool, number: int) -> Scenario:
    counts = dict(combination.options().counts)
    if combination.settings["kind"] is Workload.TFJOB and outcome is Outcome.AGAIN:
        counts.pop("evaluator")  # nobody waits for it: the job may have succeeded before it would be started again
    names = _processes(counts)
    who = names[number % len(names)]
    return Scenario(combination=combination, who=who, code=code, outcome=outcome, too_often=too_often)


def _processes(counts: Mapping[str, int]) -> list[str]:
    return [f"{role}-{index}" for role, count in counts.items() for index in range(count)]
