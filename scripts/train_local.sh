#!/usr/bin/env bash
# Trains on this machine: bash scripts/train_local.sh [flags of trainer.task]. Without --output_dir results lie in output/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment

find_default_output "$@"
exec "$python" -m trainer.task ${default[@]+"${default[@]}"} "$@"
