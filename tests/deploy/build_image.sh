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

. "$(dirname "${BASH_SOURCE[0]}")/image_tools.sh"

image_tag=${IMAGE:-digit_recognizer:v1}
dockerfile=web_service/Dockerfile
server_pid=
prepare_build buildah debootstrap runc python3

clean_up() {
    runc --root "$work/runc" delete --force "$name" 2>/dev/null || true
    [ -z "$server_pid" ] || wait "$server_pid" 2>/dev/null || true
    storage rm "$name" "$name-base" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

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

build_image
storage from --pull-never --name "$name" "$image_tag" >/dev/null
root=$(storage mount "$name")
say "built $image_tag"
inspect_files
start
check_confinement
check_prediction
stop
say "PASSED"
