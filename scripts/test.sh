#!/usr/bin/env bash
# Lint, types and tests on all cores: bash scripts/test.sh [--quick] [pytest arguments].
# --quick, in front, leaves out the tests that start processes of their own, and the slow ones (tests/slow.txt).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment dev

# Tests that start processes wait a good deal, so that there may be half as many workers again as cores.
cores=$("$python" -c 'import os; print(os.cpu_count() or 2)')
workers=$((cores + cores / 2))
selection=()
if [[ ${1:-} == --quick ]]; then
  selection=(-m "not process and not slow")
  workers=$cores
  shift
fi

cd "$root"
unset PYTHONDONTWRITEBYTECODE # what one process has compiled, the others read
"$python" -m ruff check .

# mypy runs beside the tests' start and is heard after them.
types=$(mktemp)
trap 'rm -f "$types"' EXIT
"$python" -m mypy >"$types" 2>&1 &
mypy=$!

# Tests take very different times, so a worker that has finished its share takes from another's. Later arguments win:
# -n0 runs everything in this process.
status=0
"$python" -m pytest --numprocesses="$workers" --maxprocesses=8 --dist=worksteal \
  ${selection[@]+"${selection[@]}"} "$@" || status=$?
wait "$mypy" || status=1
cat "$types"
exit "$status"
