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
# A file's tests stay in one worker, since they share fixtures. Later arguments win: -n0 runs all in this process.
exec "$python" -m pytest --numprocesses=logical --maxprocesses=8 --dist=loadfile \
  ${selection[@]+"${selection[@]}"} "$@"
