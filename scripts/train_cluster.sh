#!/usr/bin/env bash
# A distributed job on this machine: bash scripts/train_cluster.sh [flags of trainer.task] is a chief, 2 workers, a parameter
# server and an evaluator. Another shape: bash scripts/train_cluster.sh --worker=4 --ps=0 -- [flags of trainer.task].
# Without --output_dir results lie in output/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment

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
