#!/usr/bin/env bash
# Trains on this machine: bash scripts/train_local.sh [flags of trainer.task]. Without --output_dir results lie in output/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment

default=(--output_dir=output)
[[ -n ${AIP_MODEL_DIR:-}${AIP_CHECKPOINT_DIR:-}${AIP_TENSORBOARD_LOG_DIR:-} ]] && default=()
for word in "$@"; do
  case $word in
    --output[_-]dir* | -output[_-]dir* | --job[_-]dir* | -job[_-]dir* | --flagfile*) default=() ;;
  esac
done
exec "$python" -m trainer.task ${default[@]+"${default[@]}"} "$@"
