#!/usr/bin/env bash
# Lint, types and all tests: bash scripts/test.sh [pytest arguments].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment dev

cd "$root"
"$python" -m ruff check .
"$python" -m mypy
exec "$python" -m pytest "$@"
