#!/usr/bin/env bash
# Hyperparameter tuning on this machine: bash scripts/tune.sh [flags of trainer.task] runs the study of
# hptuning_config.yaml. Flags of the sweep come before two dashes:
# bash scripts/tune.sh --config=mine.yaml --seed=1 -- --train_steps=500. The study is in output/sweep, or in the
# --output_dir before the dashes. The same command resumes a study that was stopped.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment launch

own=()
for word in "$@"; do
  if [[ $word == -- ]]; then
    while [[ $1 != -- ]]; do
      own+=("$1")
      shift
    done
    shift
    break
  fi
done

output=(--output_dir=output/sweep)
config=(--config="$root/hptuning_config.yaml")
for word in ${own[@]+"${own[@]}"}; do
  case $word in
    --output[_-]dir* | -output[_-]dir* | --job[_-]dir* | -job[_-]dir*) output=() ;;
    --config* | -config*) config=() ;;
    --flagfile*) output=() config=() ;;
  esac
done
exec "$python" -m trainer.launch sweep ${config[@]+"${config[@]}"} ${output[@]+"${output[@]}"} ${own[@]+"${own[@]}"} -- "$@"
