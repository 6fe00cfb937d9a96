#!/usr/bin/env bash
# Checks what is deployed against checkov's policies, and the workflows against GitHub's schema and zizmor's policies:
#   make policy
# Every exception stands with its reason in tests/deploy/checkov.yaml, or in the Dockerfile that it is for.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=${TOOLS:-.venv-policy/bin}
for tool in "$tools/checkov" "$tools/zizmor" "$tools/check-jsonschema" kubectl; do
    command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is not there (make policy installs all but kubectl)" >&2; exit 77; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export SITE=/nowhere IMAGE=registry.example/digits:v1 CANARY_IMAGE=registry.example/digits:v2
export CERTIFICATE=arn:aws:acm:us-east-1:0:certificate/0 CLIENTS=203.0.113.7/32
kube-overlays/render.sh production >"$folder/production.yaml"
COMPONENTS="canary tls known-clients requests-in-flight opentelemetry" \
    kube-overlays/render.sh production >"$folder/production-with-components.yaml"
kube-overlays/render.sh local >"$folder/local.yaml"
kubectl kustomize kube-config >"$folder/kube-config.yaml"
kubectl kustomize kube-config/components/scoring >"$folder/scoring.yaml"
kubectl kustomize kube-config/components/scoring/indexed-job >"$folder/scoring-job.yaml"
# In the default namespace only where somebody applies it by itself.
sed 's/^metadata:/&\n  namespace: tuning/' kube-config/tune-job.yaml >"$folder/tune-job.yaml"

export LOG_LEVEL=ERROR
"$tools/checkov" --config-file tests/deploy/checkov.yaml --framework kubernetes --directory "$folder"
"$tools/checkov" --config-file tests/deploy/checkov.yaml --framework dockerfile \
    --file web_service/Dockerfile kube-config/tune.Dockerfile kube-config/components/scoring/Dockerfile
"$tools/checkov" --config-file tests/deploy/checkov.yaml --framework github_actions --directory .github
"$tools/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$tools/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml
"$tools/check-jsonschema" --builtin-schema vendor.compose-spec web_service/compose.yaml
"$tools/zizmor" --offline --quiet .github
echo PASSED
