#!/usr/bin/env bash
# A job on Vertex AI. This checks the request and prints it; without --dry_run it is sent:
#   bash scripts/submit_vertex.sh --output_dir=gs://BUCKET/run --image=IMAGE --dry_run -- [flags of trainer.task]
# The project is --project, else GOOGLE_CLOUD_PROJECT, else the one that gcloud is set to. --help lists machines,
# pools, spot, studies (--config) and more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment launch

if [[ -z ${GOOGLE_CLOUD_PROJECT:-} ]] && command -v gcloud >/dev/null; then
  GOOGLE_CLOUD_PROJECT=$(gcloud config get-value project 2>/dev/null || true)
  export GOOGLE_CLOUD_PROJECT
fi
exec "$python" -m trainer.launch submit vertex "$@"
