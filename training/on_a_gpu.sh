#!/bin/sh
# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0
#
# A whole run on a machine that is lent for minutes: where a step's time goes, training, and what is worth bringing back.
# sh training/on_a_gpu.sh DATA OUT MINUTES [OPTIONS of `python -m training train`]
# It needs Python with what docs/TRAINING.md names, and nothing from a network. PYTHON chooses another than python3.
set -eu
data=$1 out=$2 minutes=$3
shift 3
python=${PYTHON:-python3}
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
mkdir -p "$out"

"$python" -m training train --data "$data" --run "$run" "$@" --profile >"$out/profile.txt"
head -n 20 "$out/profile.txt"
"$python" -m training train --data "$data" --run "$run" "$@" --minutes "$minutes"
"$python" -m training export --run "$run" --out "$out/voice.safetensors"
cp "$run/log.jsonl" "$run/curve.png" "$out"
for sample in $(ls "$run"/samples/*.converted.wav | head -n 3); do
    cp "$sample" "$out"
done
