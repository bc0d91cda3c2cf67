#!/usr/bin/env bash
# A job on Kubernetes: bash scripts/submit_kubernetes.sh --output_dir=gs://BUCKET/run --image=IMAGE --dry_run -- [flags of trainer.task]
# checks and prints the manifest; without --dry_run kubectl applies it. --kind chooses job, tfjob, jobset or trainjob; --help
# lists the rest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment launch

exec "$python" -m trainer.launch submit kubernetes "$@"
