#!/usr/bin/env bash
# A distributed job on this machine: bash scripts/train_cluster.sh [flags of trainer.task] starts a chief, two workers,
# a parameter server and an evaluator. For other numbers put flags of the launcher before two dashes:
# bash scripts/train_cluster.sh --worker=4 --ps=0 -- [flags of trainer.task]. Results are in output/, or --output_dir.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment
say_how_to_activate

shape=()
for word in "$@"; do
  if [[ $word == -- ]]; then
    while [[ $1 != -- ]]; do
      shape+=("$1")
      shift
    done
    shift
    break
  fi
done

find_default_output "$@"
exec "$python" -m trainer.launch cluster --worker=2 --ps=1 --evaluator=1 ${shape[@]+"${shape[@]}"} -- \
  ${default[@]+"${default[@]}"} "$@"
