#!/usr/bin/env bash
# Trains the Doom world on a GPU machine inside a time box and leaves what came of it in pieces. Needs no network.
#
#   MINUTES=20 OUT=/path scripts/train_gpu.sh
#
# POOL frames are played first by all cores and held in memory (recordings would bring neither poses nor distances), BATCH,
# START=checkpoint to begin with, CONFIG=its configuration, DEVICE=cpu for a rehearsal (POOL=3000 MINUTES=0.5 BATCH=8),
# WHEELS=folder of wheels that are installed when dreamloop is not there yet, PYTHON to use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MINUTES="${MINUTES:-20}" POOL="${POOL:-400000}" BATCH="${BATCH:-256}" DEVICE="${DEVICE:-cuda}"
CONFIG="${CONFIG:-demos/doom/train.toml}" START="${START:-}"
OUT="${OUT:?name a folder for the results: OUT=/path}"
PYTHON="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}"
RUN="$(mktemp -d)"
mkdir -p "$OUT"
exec > >(tee "$OUT/train.log") 2>&1

say() { printf '%s dreamloop: %s\n' "$(date +%T)" "$*"; }

# Whatever happens, what there is by then is handed over: the weights and their log, the last pictures; the run to resume
# from when it was stopped before there were weights, or when KEEP_RUN=1 asks for it (it is seven times as large).
hand_over() {
    local file files=("$RUN"/run/doom.safetensors)
    { [ -f "${files[0]}" ] && [ -z "${KEEP_RUN:-}" ]; } || files+=("$RUN"/run/run.safetensors)
    find "$RUN/run" -name '*.png' 2>/dev/null | sort | tail -n 3 | while read -r file; do cp "$file" "$OUT/"; done
    cp "$RUN"/run/log.jsonl "$OUT/" 2>/dev/null || true
    for file in "${files[@]}"; do
        [ -f "$file" ] && split -b 16M -d "$file" "$OUT/$(basename "$file").part"
        [ -f "$file" ] && (cd "$RUN/run" && sha256sum "$(basename "$file")") >>"$OUT/SHA256SUMS"
    done
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

# The configuration, with this batch and pool.
sed "s/^batch = .*/batch = $BATCH/; s/^pool_frames = .*/pool_frames = $POOL/" "$CONFIG" >"$RUN/train.toml"
say "playing $POOL frames on $(nproc) cores, then training for $MINUTES minutes on $DEVICE, $BATCH at a time"
"$PYTHON" -m dreamloop.runtime train doom --minutes "$MINUTES" --device "$DEVICE" --config "$RUN/train.toml" \
    --out "$RUN/run" ${START:+--start "$START"}

# What stops a player is taught last, because training the rest moves what it sees. WALK_MINUTES=0 leaves it out.
if [ "${WALK_MINUTES:=2}" != 0 ]; then
    say "teaching what stops a player for $WALK_MINUTES minutes"
    "$PYTHON" -m dreamloop.runtime train doom --walk --minutes "$WALK_MINUTES" --device "$DEVICE" \
        --start "$RUN/run/doom.safetensors" --out "$RUN/run/doom.safetensors"
fi
