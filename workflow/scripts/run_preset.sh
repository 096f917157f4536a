#!/bin/sh
# run_preset.sh PRESET COMMAND...: run a preset with COMMAND (snakemake and its options), then say where its results are.
# Without TeX, and without the right to install it, everything but the PDF is made, and an HTML report.
set -eu
preset=$1
shift
results=results/$preset

exec 3>&1
if advice=$(workflow/scripts/install_tex.sh 2>&1 >&3); then  # its complaints are kept for the end
    "$@" --config preset="$preset"
    report=$results/report.pdf
else
    "$@" --config preset="$preset" pdf=False
    report=$results/report.html
    if [ ! "$report" -nt "$results/claims.json" ]; then
        "$@" --config preset="$preset" pdf=False --report "$report"
    fi
fi

asgd claims --preset "$preset"
echo
echo "report   $report"
echo "figures  $results/figures/"
echo "claims   $results/claims.json"
case $report in *.html) echo "$advice" | tail -n 1 ;; esac
