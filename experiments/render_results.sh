#!/usr/bin/env bash
# Renders the committed results anew from their records, as tests/experiments/results_test.cpp demands: report.md, published.md, and the pictures
# whose program changed (gnuplot's versions differ in bytes, so an unchanged picture stays as it is).
#   experiments/render_results.sh [PROGRAM]      (build/release/millrace)
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-build/release/millrace}")
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT

# keep PAGE FROM TO
keep() {
  local plot stem
  cp "$2/$1" "$3/"
  for plot in "$2"/*.gp; do
    [[ -e $plot ]] || continue
    stem=$(basename "$plot" .gp)
    cmp -s "$plot" "$3/$stem.gp" || cp "$2/$stem".{gp,svg,png} "$3/"
  done
}

for records in experiments/results/*/results.jsonl; do
  folder=$(dirname "$records") name=$(basename "$(dirname "$records")")
  mkdir "$again/$name"
  cp "$records" "$again/$name/"
  "$program" report "$again/$name" >/dev/null
  keep report.md "$again/$name" "$folder"
done
for page in experiments/results/*/published.md; do
  name=$(basename "$(dirname "$page")")
  "$program" report --published "experiments/published/$name.toml" --out "$again/published-$name" >/dev/null
  keep published.md "$again/published-$name" "$(dirname "$page")"
done
git status --short experiments/results
