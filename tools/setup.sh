#!/bin/sh
# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

# Makes .venv and installs what a purpose needs into it, wheels only but for pure Python:
#   tools/setup.sh [demo | card | live | corpus | evaluation | training | tests | acceptance]
# `demo` is requirements.txt; every other purpose adds the dependency group of its name in pyproject.toml, and where speech
# is judged evaluation-nodeps as well, without what that asks for. Where there is a card, every purpose gets what it
# needs. ttnn has wheels for Python 3.12 and 3.10 only.
set -eu
cd "$(dirname "$0")/.."
purpose="${1:-demo}"
# Nothing here uses CUDA, whose libraries PyPI's PyTorch brings along: its builds without are here,
# where pip's settings name no index of their own.
torch_index="${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"

fits() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 10)))' >/dev/null 2>&1
}

known=$(sed -n '/^\[dependency-groups\]/,/^\[tool/ s/^\([a-z-]*\) = \[.*/\1/p' pyproject.toml | tr '\n' ' ')
case "demo $known" in
    "$purpose "*) groups= ;;
    *" $purpose "*) groups="$purpose" ;;
    *)
        echo "error: there is no dependency group '$purpose' in pyproject.toml; it has $known" >&2
        exit 1
        ;;
esac
if [ -e /dev/tenstorrent ]; then
    groups="$groups card"
fi

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

answers() { # whether an address does, within three seconds, name resolution included
    .venv/bin/python -c '
import os, sys, threading, urllib.request
limit = threading.Timer(3, os._exit, [1])
limit.daemon = True
limit.start()
try:
    urllib.request.urlopen(sys.argv[1], timeout=3).close()
except OSError:
    sys.exit(1)
' "$1"
}
install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}
index=
# Where there is one with CUDA, torchaudio, which is added for training and the tests, is to be PyPI's too.
if ! .venv/bin/python -c 'import torch; raise SystemExit(torch.version.cuda is None)' 2>/dev/null; then
    if .venv/bin/python -m pip config list | grep -q -E '\.(index-url|no-index)='; then
        which="PyTorch from where pip's settings say"
    elif answers "$torch_index/torch/"; then
        index="--extra-index-url $torch_index"
        which="PyTorch without CUDA from $torch_index, 2.2 GB less than PyPI's"
    else
        which="PyTorch from PyPI, a download of 3 GB with its CUDA libraries ($torch_index does not answer)"
    fi
    echo "setting up .venv for: $purpose; $which"
fi
install 'pip>=25.1' # knows dependency groups
arguments="-r requirements.txt"
for group in $groups; do
    arguments="$arguments --group $group"
done
# shellcheck disable=SC2086  # lists of options
if [ -z "$index" ]; then
    install $arguments
elif ! install $index $arguments; then
    echo "again, with PyTorch from PyPI, a download of 3 GB with its CUDA libraries"
    install $arguments
fi
case "$purpose" in
    evaluation | tests | acceptance) install --no-deps --group evaluation-nodeps ;;
esac
touch ".venv/.$purpose"
