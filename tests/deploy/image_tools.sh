# What the scripts that build an image without a Docker engine share. They source it, set `image_tag` and `dockerfile`, and
# call `prepare_build` and `build_image`. Exit code 77: a tool is missing, nothing was tested.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${DIGITS_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/digits-image}
name=digits-$$
started_seconds=$SECONDS

skip() { echo "SKIPPED: $*" >&2; exit 77; }
say() { printf '%4d s  %s\n' $((SECONDS - started_seconds)) "$*"; }
die() { say "FAILED: $*" >&2; exit 1; }
storage() { buildah --root "$cache/storage" --runroot "$cache/run" --storage-driver vfs "$@"; }
mib() { du --summarize --apparent-size --block-size=1 "$@" | awk '{ total += $1 } END { printf "%.1f MB", total / 1e6 }'; }

# Looks for the tools that it is given and for the models, waits for other builds, and makes the folder $work.
prepare_build() {
    local tool model
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "$tool is not installed (apt-get install buildah debootstrap runc)"
    done
    [ "$(id -u)" = 0 ] || skip "only root can make a base image and start a container"
    for model in digits lines pages; do
        [ -f "$repository/models/$model.h5" ] || skip "models/$model.h5 is not there (make run_train train_lines train_pages)"
    done
    # python:3.13-slim-trixie@sha256:... -> python:3.13-slim-trixie
    base_tag=$(sed -n 's/^FROM \(python:[^@]*\)@.*/\1/p' "$repository/$dockerfile")
    mkdir -p "$cache"
    # Two builds at once would share one base.
    exec 9>"$cache/lock"
    flock --nonblock 9 || { say "waiting for another build to end"; flock 9; }
    work=$(mktemp -d "$cache/work.XXXXXX")
}

make_base() {
    say "making $base_tag from Debian's packages"
    local codename=${base_tag##*-slim-} version=${base_tag#python:}
    local python=python${version%%-*}
    debootstrap --variant=minbase --include="$python,python3-pip" "$codename" "$work/base" >"$work/debootstrap.log" 2>&1 \
        || { tail -20 "$work/debootstrap.log" >&2; die "debootstrap"; }
    rm -rf "$work"/base/usr/share/{doc,man,locale,info} "$work"/base/var/lib/apt/lists/* "$work"/base/var/cache/apt/*
    # Where the official image has them.
    ln -s "/usr/bin/$python" "$work/base/usr/local/bin/python"
    ln -s "/usr/bin/$python" "$work/base/usr/local/bin/python3"
    storage from --name "$name-base" scratch >/dev/null
    storage add --quiet "$name-base" "$work/base" / >/dev/null
    storage config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$name-base"
    storage commit --quiet "$name-base" "$base_tag" >/dev/null
    storage rm "$name-base" >/dev/null
    rm -rf "$work/base"
}

# The machine's own way to the package index, for pip inside the build only; no part of the image.
write_pip_settings() {
    local certificates=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
    cp "$certificates" "$work/certificates.pem"
    {
        echo "[global]"
        echo "cert = /run/certificates.pem"
        echo "disable-pip-version-check = true"
        echo "root-user-action = ignore"
        for setting in index-url extra-index-url proxy trusted-host timeout; do
            value=$(python3 -m pip config get "global.$setting" 2>/dev/null | grep -v '^file:' || true)
            [ -z "$value" ] || echo "$setting = $value"
        done
    } >"$work/pip.conf"
}

# The base is made once and kept; the image that an earlier build made is removed.
build_image() {
    storage inspect --type image "$base_tag" >/dev/null 2>&1 || make_base
    write_pip_settings
    local ignorefile=$repository/$dockerfile.dockerignore
    [ -f "$ignorefile" ] || ignorefile=$repository/.dockerignore
    sed 's/@sha256:[0-9a-f]*//' "$repository/$dockerfile" >"$work/Dockerfile"
    storage build --isolation chroot --format docker --pull-never --quiet \
        --volume "$work/pip.conf:/etc/pip.conf:ro" --volume "$work/certificates.pem:/run/certificates.pem:ro" \
        --ignorefile "$ignorefile" --tag "$image_tag" --file "$work/Dockerfile" "$repository" >"$work/build.log" 2>&1 \
        || { tail -30 "$work/build.log" >&2; die "the build"; }
    storage rmi --prune >/dev/null 2>&1 || true
}
