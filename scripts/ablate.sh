#!/usr/bin/env bash
# Trains every arm of demos/WORLD/ablations for the same number of steps and prints one line of held-out figures each.
#
#   WORLD=doom OUT=runs/ablations scripts/ablate.sh [ARM ...]
#
# An arm that is finished is not trained again; one that was stopped goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

WORLD="${WORLD:-doom}" OUT="${OUT:-runs/ablations}"
PYTHON="${PYTHON:-.venv/bin/python}"
mkdir -p "$OUT"
[ $# -gt 0 ] || set -- $(cd "demos/$WORLD/ablations" && ls -- *.toml | sed 's/\.toml$//')

for arm in "$@"; do
    "$PYTHON" -m dreamloop.runtime train "$WORLD" --config "demos/$WORLD/ablations/$arm.toml" --out "$OUT/$arm" --resume \
        >"$OUT-$arm.log" 2>&1 || { tail -3 "$OUT-$arm.log" >&2; exit 1; }
done

"$PYTHON" - "$OUT" "$@" <<'PY'
import json, pathlib, sys

columns = ("one_step_db", "copy_last_db", "psnr_db_4", "psnr_db_16", "psnr_db_64", "sharp_ratio", "motion_ratio")
print("| arm |", " | ".join(columns), "|")
print("|---|" + "---|" * len(columns))
for arm in sys.argv[2:]:
    last = json.loads(pathlib.Path(sys.argv[1], arm, "log.jsonl").read_text().splitlines()[-1])
    print(f"| {arm} |", " | ".join(f"{last[name]:.2f}" for name in columns), "|")
PY
