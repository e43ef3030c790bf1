#!/bin/sh
# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

# Makes .venv and installs requirements.txt and requirements-live.txt into it. ttnn has wheels for Python 3.12 and 3.10 only.
set -eu
cd "$(dirname "$0")/.."

fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 10)))' >/dev/null 2>&1
}

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
            "install one (for example: pyenv install 3.12) or name it: make setup PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
    "$found" -m venv --clear .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-live.txt
touch .venv/.installed
