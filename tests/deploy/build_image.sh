#!/usr/bin/env bash
# Builds web_service/Dockerfile and runs the image as Kubernetes would, on a machine without a Docker engine.
#
#   sudo apt-get install buildah debootstrap runc
#   sudo tests/deploy/build_image.sh
#
# Buildah builds, on a base made here from Debian's packages. It has the Debian and the Python that the Dockerfile's tag
# names, but is not Docker Hub's image of that digest. runc starts the image with a read-only root, a /tmp, no capability
# and a network of its own. Then the image must become ready by its own HEALTHCHECK, read row_data.json as a 1 and stop
# with exit code 0 on SIGTERM.
#
# The base is made once (about two minutes) and kept in $DIGITS_IMAGE_CACHE, by default ~/.cache/digits-image
# (about 1 GB). Exit code 77: a tool is missing, nothing was tested.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${DIGITS_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/digits-image}
dockerfile=$repository/web_service/Dockerfile
# python:3.13-slim-trixie@sha256:... -> python:3.13-slim-trixie
base_tag=$(sed -n 's/^FROM \(python:[^@]*\)@.*/\1/p' "$dockerfile")
image_tag=${IMAGE:-digit_recognizer:v1}
name=digits-$$
started_seconds=$SECONDS

skip() { echo "SKIPPED: $*" >&2; exit 77; }
say() { printf '%4d s  %s\n' $((SECONDS - started_seconds)) "$*"; }
die() { say "FAILED: $*" >&2; exit 1; }

for tool in buildah debootstrap runc python3; do
    command -v "$tool" >/dev/null || skip "$tool is not installed (apt-get install buildah debootstrap runc)"
done
[ "$(id -u)" = 0 ] || skip "only root can make a base image and start a container"
[ -f "$repository/models/digits.h5" ] || skip "models/digits.h5 is not there (make run_train)"
[ -f "$repository/models/pages.h5" ] || skip "models/pages.h5 is not there (make train_pages)"
[ -f "$repository/models/lines.h5" ] || skip "models/lines.h5 is not there (make train_lines)"

mkdir -p "$cache"
# Two builds at once would share one base.
exec 9>"$cache/lock"
flock --nonblock 9 || { say "waiting for another build to end"; flock 9; }
work=$(mktemp -d "$cache/work.XXXXXX")
server_pid=
storage() { buildah --root "$cache/storage" --runroot "$cache/run" --storage-driver vfs "$@"; }

clean_up() {
    runc --root "$work/runc" delete --force "$name" 2>/dev/null || true
    [ -z "$server_pid" ] || wait "$server_pid" 2>/dev/null || true
    storage rm "$name" "$name-base" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

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

build() {
    write_pip_settings
    sed 's/@sha256:[0-9a-f]*//' "$dockerfile" >"$work/Dockerfile"
    storage build --isolation chroot --format docker --pull-never --quiet \
        --volume "$work/pip.conf:/etc/pip.conf:ro" --volume "$work/certificates.pem:/run/certificates.pem:ro" \
        --tag "$image_tag" --file "$work/Dockerfile" "$repository" >"$work/build.log" 2>&1 \
        || { tail -30 "$work/build.log" >&2; die "the build"; }
}

mib() { du --summarize --apparent-size --block-size=1 "$@" | awk '{ total += $1 } END { printf "%.1f MB", total / 1e6 }'; }

inspect_files() {
    local unwanted
    unwanted=$(find "$root/opt/venv" "$root/app" \( -name 'tensorflow*' -o -name 'keras*' -o -name 'pandas*' \
        -o -name tests -o -name pip -o -name '.cache' \) -print; find "$root/usr/bin" "$root/usr/local/bin" \
        \( -name 'gcc*' -o -name 'cc' -o -name 'g++*' \) -print; find "$root/root" -mindepth 1 -name '.cache' -print)
    [ -z "$unwanted" ] || die "the image holds what it should not: $unwanted"
    say "the Dockerfile's layers, unpacked: packages $(mib "$root/opt/venv"), model $(mib "$root/app/models")," \
        "code $(mib "$root/app/digits" "$root/app/web_service"); together $(mib "$root/opt" "$root/app")"
}

# What `docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges` would start, by the image's
# own user, environment, directory and entry point.
write_bundle() {
    mkdir "$work/bundle"
    (cd "$work/bundle" && runc spec)
    storage inspect --type image "$image_tag" >"$work/image.json"
    python3 - "$work" "$root" <<'PYTHON'
import json, pathlib, sys

work, root = pathlib.Path(sys.argv[1]), sys.argv[2]
image = json.loads((work / "image.json").read_text())["Docker"]["config"]
path = work / "bundle" / "config.json"
spec = json.loads(path.read_text())
uid, gid = map(int, image["User"].split(":"))
spec["process"].update(
    terminal=False, args=image["Entrypoint"] + (image["Cmd"] or []), env=image["Env"], cwd=image["WorkingDir"],
    user={"uid": uid, "gid": gid}, noNewPrivileges=True, capabilities={},
)
spec["root"] = {"path": root, "readonly": True}
spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "size=16m"]})
path.write_text(json.dumps(spec))
health = image["Healthcheck"]["Test"]
assert health[0] == "CMD", f"Received HEALTHCHECK {health}, expected the exec form."
(work / "health.json").write_text(json.dumps({"args": health[1:], "cwd": image["WorkingDir"], "env": image["Env"],
                                              "user": {"uid": uid, "gid": gid}}))
PYTHON
}

container() { runc --root "$work/runc" "$@"; }

start() {
    write_bundle
    started_ns=$(date +%s%N)
    container run --bundle "$work/bundle" "$name" >"$work/server.log" 2>&1 &
    server_pid=$!
    local attempt
    for attempt in $(seq 300); do
        ! container exec --process "$work/health.json" "$name" >/dev/null 2>&1 || break
        kill -0 "$server_pid" 2>/dev/null || { cat "$work/server.log" >&2; die "the server ended before it was ready"; }
        [ "$attempt" -lt 300 ] || { cat "$work/server.log" >&2; die "not ready in time"; }
        sleep 0.1
    done
    say "ready after $((($(date +%s%N) - started_ns) / 1000000)) ms, found by the image's HEALTHCHECK"
}

check_confinement() {
    ! container exec "$name" python -c "open('/app/written', 'w')" 2>/dev/null || die "the root file system is writable"
    container exec "$name" python -c "open('/tmp/written', 'w')" || die "/tmp is not writable"
    [ "$(container exec "$name" python -c 'import os; print(os.getuid())')" != 0 ] || die "the server runs as root"
}

check_prediction() {
    local answer
    answer=$(container exec "$name" python -c "
import sys, urllib.request
request = urllib.request.Request('http://127.0.0.1:9696/predict', sys.stdin.buffer.read(), {'Content-Type': 'application/json'})
print(urllib.request.urlopen(request, timeout=10).read().decode())" <"$repository/row_data.json") \
        || { cat "$work/server.log" >&2; die "the request"; }
    python3 -c "import json, sys; sys.exit(json.loads(sys.argv[1])['digit'] != 1)" "$answer" \
        || die "received $answer, expected the digit 1"
    container exec "$name" python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:9696/static/page.js')" \
        || die "the image has no drawing page"
    local process
    process=$(container state "$name" | python3 -c "import json, sys; print(json.load(sys.stdin)['pid'])")
    say "digit 1; resident $(awk '/^VmRSS/ { printf "%.0f MB", $2 * 1024 / 1e6 }' "/proc/$process/status")"
}

stop() {
    container kill "$name" TERM
    local code=0
    wait "$server_pid" || code=$?
    server_pid=
    [ "$code" = 0 ] || { cat "$work/server.log" >&2; die "received exit code $code after SIGTERM, expected 0"; }
    say "exit code 0 after SIGTERM"
}

storage inspect --type image "$base_tag" >/dev/null 2>&1 || make_base
build
# The image that this build replaced.
storage rmi --prune >/dev/null 2>&1 || true
storage from --pull-never --name "$name" "$image_tag" >/dev/null
root=$(storage mount "$name")
say "built $image_tag"
inspect_files
start
check_confinement
check_prediction
stop
say "PASSED"
