#!/usr/bin/env bash
# Builds the image, starts it as confined as Kubernetes does, asks it for row_data.json's digit and stops it.
# Without a Docker engine: tests/deploy/build_image.sh does the same with Buildah and runc.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
docker=${DOCKER:-docker}
image=${IMAGE:-digit_recognizer:v1}
port=${PORT:-9696}
platform=${PLATFORM:-linux/amd64}

die() {
    echo "FAILED: $*" >&2
    "$docker" logs "$container" >&2
    exit 1
}

if ! command -v "$docker" >/dev/null; then
    echo "$docker is not installed; using Buildah and runc"
    exec tests/deploy/build_image.sh
fi

"$docker" build --platform "$platform" -t "$image" -f web_service/Dockerfile .
container=$("$docker" run --detach --platform "$platform" --publish "127.0.0.1:$port:9696" \
    --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges "$image")
trap '"$docker" rm --force "$container" >/dev/null' EXIT

curl --silent --fail --output /dev/null --retry 60 --retry-delay 1 --retry-all-errors "http://127.0.0.1:$port/readyz" \
    || die "not ready within a minute"
answer=$(curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
    --data @row_data.json "http://127.0.0.1:$port/predict") || die "received $answer"
[[ $answer == *'"digit":1,'* ]] || die "received $answer, expected the digit 1"
echo "$answer"
curl --silent --fail --output /dev/null "http://127.0.0.1:$port/static/page.js" || die "the image has no drawing page"

"$docker" stop -t 30 "$container" >/dev/null
code=$("$docker" inspect --format '{{.State.ExitCode}}' "$container")
[ "$code" = 0 ] || die "received exit code $code after SIGTERM, expected 0"
echo "PASSED: read-only, ready, digit 1, exit code 0 after SIGTERM"
