#!/usr/bin/env bash
# Makes the virtual environment and installs dreamloop into it, or installs what the tests want from the system.
#
#   scripts/setup.sh play     what playing needs: the base, video clips, voice
#   scripts/setup.sh dev      everything: simulators, training curves, tests, linters
#   scripts/setup.sh system   Debian packages for the tests (only as root with apt-get; else it names the line to run)
#
# PYTHON=python3.12 chooses the interpreter, VENV=dir the place of the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV="${VENV:-.venv}"

say() { printf 'dreamloop: %s\n' "$*" >&2; }

is_debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ -f /etc/debian_version ]; }

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q </dev/null && apt-get install -q -y --no-install-recommends "$@" </dev/null
}

find_python() {
    local name
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        # A name on the PATH is not enough: a shim may stand there for a version that is not installed.
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    say "no Python 3.11 or newer found (tried: ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}); install one, or name it: make PYTHON=/path/to/python"
    exit 2
}

make_venv() {
    [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1 && return
    local python
    python="$(find_python)"
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        local package
        package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        if ! { is_debian_root && apt_install "$package"; }; then
            say "this Python cannot make a virtual environment; on Debian run: sudo apt-get install -y $package"
            exit 2
        fi
    fi
    say "making $VENV with $python"
    "$python" -m venv "$VENV"
}

pip_install() { "$VENV/bin/python" -m pip install --disable-pip-version-check -c constraints.txt "$@" </dev/null; }

install_play() {
    make_venv
    say "installing what playing needs (torch is the large one)"
    # Voice has compiled parts that are not built for every machine; playing goes on without them.
    pip_install -e '.[video,voice]' || { say "voice could not be installed; going on without it" && pip_install -e '.[video]'; }
}

install_dev() {
    make_venv
    say "installing everything that tests, training and evaluation need"
    pip_install -e '.[all,dev]'
}

# One line a package: what shows that it is there (a command, or a file), then the Debian package.
system_parts() {
    cat <<'PARTS'
Xvfb xvfb
xdotool xdotool
flite flite
pulseaudio pulseaudio
pactl pulseaudio-utils
libasound_module_pcm_pulse.so libasound2-plugins
libportaudio.so.2 libportaudio2
g++ g++
PARTS
}

is_there() {
    case "$1" in
        *.so*) find /usr/lib /usr/lib64 /usr/local/lib -name "$1*" -print -quit 2>/dev/null | grep -q . ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

install_system() {
    local probe package missing=()
    while read -r probe package; do
        is_there "$probe" || missing+=("$package")
    done < <(system_parts)
    [ ${#missing[@]} -eq 0 ] && return
    if is_debian_root && say "installing ${missing[*]}" && apt_install "${missing[@]}"; then return; fi
    say "the tests that need these are skipped; to have them run: sudo apt-get install -y ${missing[*]}"
}

case "${1:-}" in
    play) install_play ;;
    dev) install_dev ;;
    system) install_system ;;
    *) say "setup.sh knows play, dev and system, not '${1:-}'" && exit 2 ;;
esac
