"""`python -m tests.control_plane`: every combination of flags with every exit code, and what that comes to."""

from __future__ import annotations

import collections
import pathlib
import sys
import tempfile
import time

from tests.control_plane import exit_code_table, scenarios
from tests.control_plane.fixtures import peers
from tests.control_plane.scenario_run import require_as_documented, run


def main() -> int:
    started, processes, wrong = time.monotonic(), 0, 0
    counts: collections.Counter[tuple[str, int]] = collections.Counter()
    with peers() as python, tempfile.TemporaryDirectory() as folder:
        for number, scenario in enumerate(scenarios.every(exit_code_table.read())):
            counts[scenario.combination.target, scenario.code] += 1
            try:
                ended = run(scenario, pathlib.Path(folder, str(number)), python)
                processes += sum(ended.lives.values())
                require_as_documented(scenario, ended)
            except AssertionError as error:
                wrong += 1
                print(f"{scenario}: {error}", flush=True)
    for (target, code), count in sorted(counts.items()):
        print(f"{target:<12} {code:>3}  {count} jobs")
    secs = time.monotonic() - started
    print(f"{counts.total()} jobs of {processes} processes in {secs:.0f} s; not as documented: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
