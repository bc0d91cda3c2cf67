#!/usr/bin/env bash
# A job on Vertex AI: bash scripts/submit_vertex.sh --output_dir=gs://BUCKET/run --image=IMAGE --dry_run -- [flags of trainer.task]
# checks and shows the request; without --dry_run it is sent. --help lists machines, pools, spot, studies (--config) and more.
# Without --project the one that gcloud is set to pays.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"

set_up_environment launch

if [[ -z ${GOOGLE_CLOUD_PROJECT:-} ]] && command -v gcloud >/dev/null; then
  GOOGLE_CLOUD_PROJECT=$(gcloud config get-value project 2>/dev/null || true)
  export GOOGLE_CLOUD_PROJECT
fi
exec "$python" -m trainer.launch submit vertex "$@"
