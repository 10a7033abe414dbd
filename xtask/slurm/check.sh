#!/bin/bash
# Runs docs/clusters/array.sbatch and merge.sbatch on a real SLURM of one node and compares what comes out with the
# same run without shards. On the way the first shard is stopped by SIGTERM, as before the end of its time, and the
# second one killed.
#
#   TRACEWRIGHT=target/release/tracewright xtask/slurm/check.sh [trace … | pair … | sweep …]
#
# A shard has to take some passes, a single one can't be stopped midway; files are to be given by absolute paths.
# What it runs if nothing is said takes some minutes. Needs jq.
set -euo pipefail
# Nothing of a SLURM job within which this may run goes into the jobs here.
unset "${!SLURM_@}" "${!SBATCH_@}"

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
root=$(realpath "$here/../..")
export TRACEWRIGHT MEMORY=64MiB
TRACEWRIGHT=$(realpath "${TRACEWRIGHT:-$root/target/release/tracewright}")
[ $# -gt 0 ] || set -- trace --facts "$root/fixtures/known_1000.json" --limit 40
for tool in jq "$TRACEWRIGHT"; do
    command -v "$tool" >/dev/null || { echo "check.sh: $tool is missing" >&2 && exit 1; }
done
work=$(mktemp --directory --tmpdir tracewright-slurm.XXXXXX)
export SLURM_CONF=$work/slurm/slurm.conf
cd "$work"

fail() {
    echo "check.sh: $*; everything lies in $work" >&2
    exit 1
}

# Waits up to a number of seconds until a command succeeds.
within() {
    local seconds=$1
    shift
    for ((; seconds > 0; seconds--)); do
        "$@" && return
        sleep 1
    done
    fail "waited in vain for: $*"
}

field() {
    squeue --noheader --states=all --jobs="$1" --Format="$2" | tr --delete ' '
}

is() {
    [ "$(field "$1" State)" = "$2" ]
}

has_ended() {
    [[ $(field "$1" State) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY)$ ]]
}

# The finished passes of a shard, each with its inode and time: one that was computed again has others.
parts() {
    find "run/shard-$1/parts" -name '*.parquet' -printf '%p %i %T@\n' 2>/dev/null | sort
}

has_parts() {
    [ -n "$(parts "$1")" ]
}

# Sends a signal to the program in a shard's task as soon as something is finished, and notes what.
signal_midway() {
    local signal=$1 shard=$2 id
    within 300 has_parts "$shard"
    id=$(field "${array}_$shard" JobID)
    is "$id" RUNNING || fail "shard $shard ended before it could be stopped: compute more"
    echo "SIG$signal to shard $shard; passes that it has finished: $(parts "$shard" | wc --lines)"
    parts "$shard" >"before-$shard"
    # The step, not the task: for tasks of an array SLURM 22.05 takes a signal and says that it hasn't, again and
    # again. Whether it has arrived shows in the task's state.
    scancel --signal="$signal" "$id.0" || true
}

went_on() {
    local shard=$1 again
    again=$(comm -23 "before-$shard" <(parts "$shard"))
    [ -z "$again" ] || fail "shard $shard has computed again what was there: $again"
    [ "$(field "${array}_$shard" RestartCnt)" = 1 ] || fail "shard $shard wasn't started twice"
}

trap '"$here/single-node.sh" stop "$work/slurm"' EXIT
"$here/single-node.sh" start "$work/slurm"

echo "Without shards …"
"$TRACEWRIGHT" "$@" --threads 1 --memory "$MEMORY" --out whole >whole.log 2>&1 || fail "the run fails, see whole.log"

# What is said here goes before what the scripts say.
array=$(sbatch --parsable --cpus-per-task=1 --mem=1G "$root/docs/clusters/array.sbatch" run "$@")
merge=$(sbatch --parsable --mem=1G --dependency="afterany:$array" "$root/docs/clusters/merge.sbatch" run)
echo "Job array $array, merge $merge"

signal_midway TERM 1
signal_midway KILL 2
within 60 is "${array}_2" FAILED
scontrol requeue "${array}_2"

within 1800 has_ended "$merge"
squeue --states=all --array --sort=i --Format=JobArrayID:8,Name:20,State:12,RestartCnt
is "$merge" COMPLETED || fail "merging failed, see tracewright-merge-$merge.log"
went_on 1
went_on 2

for made in cells.parquet averages.parquet cases; do
    diff --recursive --brief "whole/$made" "run/merged/$made" || fail "$made differs"
done
jq --sort-keys 'del(.cost)' whole/run.json >whole.json
jq --sort-keys 'del(.cost)' run/merged/run.json >merged.json
diff whole.json merged.json || fail "run.json differs, its costs apart"
echo "Four shards are equal to the run without shards: cells.parquet, averages.parquet," \
    "$(find whole/cases -type f | wc --lines) files of cases, run.json"
trap - EXIT
"$here/single-node.sh" stop "$work/slurm"
rm --recursive "$work"
