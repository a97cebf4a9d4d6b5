# shellcheck shell=bash
# What the setup scripts share. Sourced, never run; the caller has set -euo pipefail.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
STAMPS=$VENV/.setup
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

say() { printf 'setup: %s\n' "$*" >&2; }

# without WHAT WHY CURE: one thing that cannot be had; setup goes on.
without() { printf 'setup: no %s: %s\n       cure: %s\n' "$1" "$2" "$3" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

# quietly COMMAND...: run it, show what it printed only if it failed.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] || tail -n 20 "$log" | sed 's/^/       | /' >&2
    rm -f "$log"
    return "$status"
}

# fingerprint PATH...: one hash over the files and directories a step depends on.
fingerprint() {
    { find "$@" -type f -not -name '*.pyc' -exec sha256sum {} + 2>/dev/null || true; } |
        LC_ALL=C sort | sha256sum | cut -d' ' -f1
}

# done_before STEP HASH: has STEP already succeeded for these inputs?
done_before() { [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$2" ]; }

mark_done() {
    mkdir -p "$STAMPS"
    printf '%s\n' "$2" >"$STAMPS/$1"
}

# find_python: the first Python 3.11 or newer; the distribution's own first, it has its packages.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.{14,13,12,11}; do
        if have "$candidate" &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# as_root_prefix: what to put before a command that needs root, or failure if root is not to be had.
as_root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        echo "env"
    elif have sudo && sudo -n true 2>/dev/null; then
        echo "sudo -n env"
    elif have sudo && [ -t 0 ] && [ -t 2 ]; then
        echo "sudo env"
    else
        return 1
    fi
}
