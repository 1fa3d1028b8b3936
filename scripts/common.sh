# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What scripts/demo and scripts/test share: installing Debian packages and building. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build

step() { echo "== $*" >&2; }

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "packages are missing and there is no sudo: run as root: $*"
    fi
}

# missing_packages SET...: packages of these sets that are not installed, one a line.
missing_packages() {
    local package set _
    while read -r package set _; do
        case " $* " in
            *" $set "*) dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package" ;;
        esac
    done < <(grep -v '^#' "$root/scripts/packages" | grep .)
}

# install_packages SET...: installs what is missing; the servers among them are not started.
install_packages() {
    local missing policy=/usr/sbin/policy-rc.d own_policy=false status=0
    command -v apt-get >/dev/null || fail "no apt-get: these scripts know Debian packages only, see scripts/packages"
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    step "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
    if [ ! -e "$policy" ]; then
        own_policy=true
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 || status=$?
    [ $own_policy = false ] || as_root rm -f "$policy"
    [ $status -eq 0 ] || fail "apt-get could not install what is missing; see its messages above"
}

# build_tree TESTS: configures (with the tests if TESTS is true) and builds.
build_tree() {
    step "building in $build"
    if [ ! -f "$build/build.ninja" ]; then
        meson setup "$build" "$root" -Dtests="$1" >&2 || fail "meson setup failed; see $build/meson-logs/meson-log.txt"
    elif [ "$1" = true ]; then
        meson configure "$build" -Dtests=true >&2
    fi
    ninja -C "$build" >&2 || fail "the build failed; see its messages above"
}
