#!/usr/bin/env bash
# Trains on this machine: bash scripts/train_local.sh [flags of trainer.task]. Results are in output/, or --output_dir.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment
say_how_to_activate

find_default_output "$@"
exec "$python" -m trainer.task ${default[@]+"${default[@]}"} "$@"
