#!/usr/bin/env bash
# Trains the Doom world on a GPU machine inside a time box and leaves what came of it in pieces. Needs no network.
#
#   MINUTES=20 OUT=/path scripts/train_gpu.sh
#
# FRAMES to collect first with all cores, POOL frames held in memory (what is missing is played live), BATCH, DEVICE=cpu
# for a rehearsal (FRAMES=2000 POOL=3000 MINUTES=0.5 BATCH=8),
# WHEELS=folder of wheels that are installed when dreamloop is not there yet, PYTHON to use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MINUTES="${MINUTES:-20}" FRAMES="${FRAMES:-100000}" POOL="${POOL:-150000}" BATCH="${BATCH:-256}" DEVICE="${DEVICE:-cuda}"
OUT="${OUT:?name a folder for the results: OUT=/path}"
PYTHON="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}"
RUN="$(mktemp -d)"
mkdir -p "$OUT"
exec > >(tee "$OUT/train.log") 2>&1

say() { printf '%s dreamloop: %s\n' "$(date +%T)" "$*"; }

# Whatever happens, what there is by then is handed over: the run to resume from, weights, pictures.
hand_over() {
    local file
    find "$RUN/run" -name '*.png' -exec cp {} "$OUT/" \;
    for file in "$RUN"/run/*.safetensors; do
        [ -f "$file" ] && split -b 16M -d "$file" "$OUT/$(basename "$file").part"
    done
    [ -f "$RUN/run/run.safetensors" ] && (cd "$RUN/run" && sha256sum ./*.safetensors) >"$OUT/SHA256SUMS"
    rm -rf "$RUN"
    say "results in $OUT; put a file together with: cat NAME.part* > NAME"
}
trap hand_over EXIT

if ! "$PYTHON" -c 'import dreamloop.runtime, vizdoom, torch' 2>/dev/null; then
    say "installing from ${WHEELS:?dreamloop is not installed: name a folder of wheels, WHEELS=/path}"
    "$PYTHON" -m venv "$RUN/venv"
    PYTHON="$RUN/venv/bin/python"
    "$PYTHON" -m pip install -q --no-index --find-links "$WHEELS" -e '.[all]'
fi

# The world's own configuration, with this batch and pool.
sed "s/^batch = .*/batch = $BATCH/; s/^pool_frames = .*/pool_frames = $POOL/" demos/doom/train.toml >"$RUN/train.toml"
say "collecting $FRAMES frames on $(nproc) cores"
"$PYTHON" -m dreamloop.runtime collect doom --frames "$FRAMES" --out "$RUN/recordings"
data=()
for file in "$RUN"/recordings/*; do data+=(--data "$file"); done
say "training for $MINUTES minutes on $DEVICE, $BATCH at a time"
"$PYTHON" -m dreamloop.runtime train doom --minutes "$MINUTES" --device "$DEVICE" --config "$RUN/train.toml" \
    --out "$RUN/run" "${data[@]}"
