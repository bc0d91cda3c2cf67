#!/usr/bin/env bash
# Lint, types and tests on all cores: bash scripts/test.sh [--quick] [pytest arguments].
# --quick, in front, leaves out the tests that start processes of their own.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment dev

selection=()
if [[ ${1:-} == --quick ]]; then
  selection=(-m "not process")
  shift
fi

cd "$root"
"$python" -m ruff check .
"$python" -m mypy
# Each worker gets its share of the files, and takes from another's when it is done: files are of very different lengths.
# Later arguments win: -n0 runs all in this process.
exec "$python" -m pytest --numprocesses=logical --maxprocesses=8 --dist=worksteal \
  ${selection[@]+"${selection[@]}"} "$@"
