#!/usr/bin/env bash
# Prints what `make deploy` applies: an overlay, with the components and the image that you name.
#
#   kube-overlays/render.sh production | kubectl diff -f -
#
# It reads these variables, and kube-overlays/site.env for those that are not set (kube-overlays/site.env.example):
#
#   IMAGE         <registry>/<repository>:<tag>
#   COMPONENTS    of kube-overlays/components, with blanks between them
#   CERTIFICATE   tls: the certificate's ARN
#   CLIENTS       known-clients: addresses such as 203.0.113.7/32, with commas between them
#   CANARY_IMAGE  canary: the next image
#   RUNBOOKS      monitoring: where people read docs/runbook.md; each alert links to its heading there
#
# For Argo CD or Flux, `kube-overlays/render.sh production --kustomization` prints the kustomization itself. Commit it as
# kube-overlays/site/kustomization.yaml.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
overlay=${1:-production}

die() { echo "error: $*" >&2; exit 1; }

# make passes on its own default, which no cluster can pull: it counts as not set.
[[ ${IMAGE:-} == */* ]] || unset IMAGE
# What the environment has is put back over what the file sets.
given=$(for name in IMAGE COMPONENTS CERTIFICATE CLIENTS CANARY_IMAGE RUNBOOKS; do
    [ -z "${!name:-}" ] || declare -p "$name"
done)
# shellcheck source=/dev/null
[ ! -f "${SITE:-$here/site.env}" ] || . "${SITE:-$here/site.env}"
eval "$given"

image=${IMAGE:-digit_recognizer:v1}
# Always in this order, whatever order they are named in: the canary's pods come first, so that the others change them, too.
order=(canary tls known-clients requests-in-flight opentelemetry monitoring)
chosen=" ${COMPONENTS:-} "
components=()
for name in "${order[@]}"; do
    [[ $chosen != *" $name "* ]] || components+=("$name")
done

[ -f "$here/$overlay/kustomization.yaml" ] || die "received the overlay '$overlay', expected production or local"
for name in $chosen; do
    [[ " ${order[*]} " == *" $name "* ]] || die "received the component '$name', expected some of: ${order[*]}"
done
# Nodes in the cloud cannot pull what only this machine has.
[[ $overlay == local || $image == [!.]*/* ]] \
    || die "received IMAGE=$image, expected one in a registry, such as" \
        "IMAGE=<account>.dkr.ecr.us-east-1.amazonaws.com/mlzoomcamp-images:digit_recognizer-v1"
[[ $chosen != *" tls "* || ${CERTIFICATE:-} == arn:* ]] \
    || die "tls needs CERTIFICATE=arn:aws:acm:<region>:<account>:certificate/<id>"
[[ $chosen != *" known-clients "* || ${CLIENTS:-} =~ ^(([0-9]+\.){3}[0-9]+/[0-9]+,?)+$ ]] \
    || die "received CLIENTS=${CLIENTS:-}; known-clients needs CLIENTS=<address>/<bits>, such as CLIENTS=203.0.113.7/32"
[[ $chosen != *" canary "* || ${CANARY_IMAGE:-} == */* ]] || die "canary needs CANARY_IMAGE=<registry>/<repository>:<tag>"
[[ $chosen != *" monitoring "* || ${RUNBOOKS:-} == https://* && $RUNBOOKS != *"<"* ]] \
    || die "monitoring needs RUNBOOKS=https://<where people read docs/runbook.md>"

# images: of kustomize, which knows a name, and a tag or a digest.
print_image() {
    echo "  - name: $1"
    if [[ $2 == *@* ]]; then
        printf '    newName: %s\n    digest: %s\n' "${2%@*}" "${2#*@}"
    elif [[ ${2##*/} == *:* ]]; then
        printf '    newName: %s\n    newTag: "%s"\n' "${2%:*}" "${2##*:}"
    else
        die "received the image $2, expected <registry>/<repository>:<tag>"
    fi
}

print_kustomization() {
    local to_root=$1 name
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n'
    printf 'resources:\n  - %skube-overlays/%s\n' "$to_root" "$overlay"
    [ ${#components[@]} = 0 ] || echo "components:"
    for name in ${components[@]+"${components[@]}"}; do
        echo "  - ${to_root}kube-overlays/components/$name"
    done
    echo "images:"
    print_image digit_recognizer "$image"
    [[ $chosen != *" canary "* ]] || print_image digit_recognizer_canary "$CANARY_IMAGE"
    # What stands before the # of each alert's link. The ConfigMap only hands the address over, and is not applied.
    [[ $chosen != *" monitoring "* ]] || cat <<YAML
configMapGenerator:
  - name: site
    literals:
      - runbooks=$RUNBOOKS
    options:
      annotations: {config.kubernetes.io/local-config: "true"}
replacements:
  - source: {kind: ConfigMap, name: site, fieldPath: data.runbooks}
    targets:
      - select: {kind: PrometheusRule, name: gateway}
        fieldPaths: [spec.groups.*.rules.*.annotations.runbook_url]
        options: {delimiter: "#", index: 0}
YAML
    [[ $chosen == *" tls "* || $chosen == *" known-clients "* ]] || return 0
    printf 'patches:\n  - target: {kind: Service, name: gateway}\n    patch: |\n'
    [[ $chosen != *" tls "* ]] || cat <<YAML
      - op: replace
        path: /metadata/annotations/service.beta.kubernetes.io~1aws-load-balancer-ssl-cert
        value: $CERTIFICATE
YAML
    [[ $chosen != *" known-clients "* ]] || cat <<YAML
      - op: replace
        path: /spec/loadBalancerSourceRanges
        value: [${CLIENTS//,/, }]
YAML
}

if [ "${2:-}" = --kustomization ]; then
    print_kustomization ../../
    exit
fi

# kustomize takes no absolute paths: upwards from the folder to /, and down again.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
folder=$(cd "$folder" && pwd -P)
root=$(cd "$here/.." && pwd -P)
up=$(sed -e 's|[^/][^/]*|..|g' -e 's|^/||' <<<"$folder")
print_kustomization "$up$root/" >"$folder/kustomization.yaml"
echo "$overlay, ${components[*]:-no component}, $image" >&2
kubectl kustomize "$folder"
