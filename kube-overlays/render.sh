#!/usr/bin/env bash
# Prints what `make deploy` applies: an overlay with your image in it.
#
#   IMAGE=<registry>/<repository>:<tag> kube-overlays/render.sh production | kubectl diff -f -
#
# tls asks for CERTIFICATE=<its ARN>, canary for CANARY_IMAGE=<the next image>.
set -euo pipefail

overlay=${1:-production}
image=${IMAGE:-digit_recognizer:v1}
folder=$(dirname "${BASH_SOURCE[0]}")/$overlay

die() { echo "error: $*" >&2; exit 1; }

[ -f "$folder/kustomization.yaml" ] || die "received the overlay '$overlay', expected local, production, tls or canary"
# Nodes in the cloud cannot pull what only this machine has.
[[ $overlay == local || $image == */* ]] \
    || die "received IMAGE=$image, expected one in a registry, such as" \
        "IMAGE=<account>.dkr.ecr.us-east-1.amazonaws.com/mlzoomcamp-images:digit_recognizer-v1"
[[ $overlay != tls || ${CERTIFICATE:-} == arn:* ]] \
    || die "tls needs CERTIFICATE=arn:aws:acm:<region>:<account>:certificate/<id>"
[[ $overlay != canary || ${CANARY_IMAGE:-} == */* ]] || die "canary needs CANARY_IMAGE=<registry>/<repository>:<tag>"

kubectl kustomize "$folder" | sed \
    -e "s|image: digit_recognizer:v1\$|image: $image|" \
    -e "s|image: digit_recognizer:canary\$|image: ${CANARY_IMAGE:-}|" \
    -e "s|ssl-cert: CERTIFICATE\$|ssl-cert: ${CERTIFICATE:-}|"
