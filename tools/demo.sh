#!/bin/bash
# Runs the demo on the installed package and keeps its report beside its plots. When nothing has
# changed since, the kept report is shown instead.
source "$(dirname "$0")/common.sh"

output=demo-output
report=$output/report.txt
stamp=.build/demo
digest_now="$(package_digest) $*"
if [ -f "$report" ] && is_current "$stamp" "$digest_now"; then
  cat "$report"
  echo "(Nothing has changed since this ran: the kept report is shown. 'make clean' forgets it.)"
  exit 0
fi
rm -f "$stamp"
mkdir -p "$output"
Rscript inst/scripts/demo.R "$@" 2>&1 | tee "$output/report.part"
mv "$output/report.part" "$report"
echo "$digest_now" > "$stamp"
