#!/usr/bin/env bash
# Builds kube-config/components/scoring/Dockerfile and scores digits in the image, on a machine without a Docker engine.
#
#   sudo apt-get install buildah debootstrap
#   sudo tests/deploy/build_scoring_image.sh
#
# Buildah builds, on the base that tests/deploy/build_image.sh tells of, and runs the image's own user: the test digits'
# first hundred rows from CSV to Parquet, by the local engine and by a Ray cluster in the container. The two must write
# the same. The image has about 1 GB. Exit code 77: a tool is missing, nothing was tested.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/image_tools.sh"

image_tag=digit_recognizer_scoring:v1
dockerfile=kube-config/components/scoring/Dockerfile
prepare_build buildah debootstrap python3

clean_up() {
    storage rm "$name" "$name-base" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

# As Kubernetes would, but for the confinement: Buildah starts no container without a network of its own.
run() {
    storage run --isolation chroot --volume "$work/data:/data:rw" "$name" -- "$@" >"$work/run.log" 2>&1 \
        || { tail -30 "$work/run.log" >&2; die "$*"; }
}

build_image
storage from --pull-never --name "$name" "$image_tag" >/dev/null
root=$(storage mount "$name")
say "built $image_tag: packages $(mib "$root/opt/venv"), models $(mib "$root/app/models"), in all $(mib "$root")"
mkdir -p "$work/data"
chmod a+rwx "$work" "$work/data"
gzip --decompress --stdout "$repository/data/test.csv.gz" 2>/dev/null | head -101 >"$work/data/rows.csv" || true
for engine in local ray; do
    run python -m digits.scoring.run /data/rows.csv "/data/$engine" --format csv --workers 1 --engine "$engine" --json
    say "$engine: $(python3 -c "import json; print(json.load(open('$work/data/$engine/_manifest.json'))['counts'])")"
done
[ "$(wc -l <"$work/data/local/part-000000-000000.csv")" = 101 ] || die "expected an answer to each of 100 rows"
cmp "$work"/data/{local,ray}/part-000000-000000.csv || die "the engines wrote different answers"
say "PASSED"
