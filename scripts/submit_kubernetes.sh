#!/usr/bin/env bash
# A job on Kubernetes. This checks the manifest and prints it; without --dry_run kubectl applies it:
#   bash scripts/submit_kubernetes.sh --output_dir=gs://BUCKET/run --image=IMAGE --dry_run -- [flags of trainer.task]
# --kind is job, tfjob, jobset or trainjob; --help lists the rest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment launch

exec "$python" -m trainer.launch submit kubernetes "$@"
