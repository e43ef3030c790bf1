#!/bin/sh
# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

# Makes .venv and installs what a purpose needs into it, wheels only but for pure Python:
#   tools/setup.sh [demo | card | evaluation | training | live | ... | tests]
# A purpose is a file requirements-<purpose>.txt; `demo` is requirements.txt, `tests` is all of them but those of
# `acceptance`, which is all. Where there is a card, every purpose gets what it needs. ttnn has wheels for Python 3.12 and
# 3.10 only.
set -eu
cd "$(dirname "$0")/.."
purpose="${1:-demo}"

fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 10)))' >/dev/null 2>&1
}

case "$purpose" in
    demo) files=requirements.txt ;;
    tests) files="requirements.txt $(ls requirements-*.txt | grep -v -e -nodeps -e -acceptance)" ;;
    acceptance) files="requirements.txt $(ls requirements-*.txt | grep -v -e -nodeps)" ;;
    *) files="requirements.txt requirements-$purpose.txt" ;;
esac
case "$files" in
    *requirements-card.txt*) ;;
    *) if [ -e /dev/tenstorrent ]; then files="$files requirements-card.txt"; fi ;;
esac
arguments=
for file in $files; do
    if [ ! -f "$file" ]; then
        echo "error: there is no $file; purposes are demo, tests and those of requirements-*.txt" >&2
        exit 1
    fi
    arguments="$arguments -r $file"
done

if ! fits .venv/bin/python; then
    pyenv_root="${PYENV_ROOT:-$HOME/.pyenv}"
    found=
    for python in ${PYTHON:-} python3.12 "$pyenv_root"/versions/3.12*/bin/python python3.10 \
        "$pyenv_root"/versions/3.10*/bin/python python3; do
        if fits "$python"; then
            found="$python"
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "error: ttnn needs Python 3.12 or 3.10 with its venv module and none was found;" \
            "install one (for example: pyenv install 3.12) or name it: make $purpose PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
    "$found" -m venv --clear .venv
fi
install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}
if ! .venv/bin/python -c 'import torch' 2>/dev/null; then
    echo "setting up .venv for: $purpose; PyTorch from PyPI is a download of 3 GB (README, Quick start, has a smaller one)"
fi
# shellcheck disable=SC2086  # a list of options
install $arguments
for file in $files; do
    nodeps="${file%.txt}-nodeps.txt"
    if [ -f "$nodeps" ]; then
        install --no-deps -r "$nodeps"
    fi
done
touch ".venv/.$purpose"
