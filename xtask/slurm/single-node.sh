#!/bin/bash
# SLURM on this machine alone, to try job scripts with. Needs Debian or Ubuntu; root only where packages are missing.
#
#   single-node.sh start FOLDER    starts it, unless it runs; all its files and logs lie in FOLDER
#   single-node.sh stop FOLDER     cancels its jobs and ends it; FOLDER stays
#
# sbatch and the others find it by `export SLURM_CONF=FOLDER/slurm.conf`. Nothing is limited by cgroups: the
# scheduler counts cores and memory, and believes what jobs say that they need.
set -euo pipefail

fail() {
    echo "single-node.sh: $*" >&2
    exit 1
}

install_packages() {
    command -v munged slurmctld slurmd sbatch srun >/dev/null && return
    command -v apt-get >/dev/null || fail "SLURM and MUNGE are missing, and there is no apt-get: install them first"
    [ "$(id -u)" = 0 ] || fail "SLURM and MUNGE are missing: apt-get install slurmctld slurmd slurm-client munge"
    echo "Installing SLURM and MUNGE …"
    {
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
            slurmctld slurmd slurm-client munge
    } >"$folder/apt.log" 2>&1 || fail "apt-get failed, see $folder/apt.log"
}

# Ports other than SLURM's own, for machines that belong to a cluster.
write_configuration() {
    local node
    # Its name, cores and memory, as slurmd will report them.
    node=$(slurmd -C | grep '^NodeName=') || fail "slurmd -C doesn't tell what this machine has"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=single-node
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
# A requeued job waits until its credential has expired: two minutes, if nothing is said.
AuthInfo=socket=$folder/munge.socket,cred_expire=20
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=86400
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
$node NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start_munged() {
    local key=$folder/munge.key
    [ -s "$key" ] || (umask 077 && head --bytes=1024 /dev/urandom >"$key")
    # --force: FOLDER may be closed to other users, whom munged would let in.
    munged --force --key-file="$key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" \
        || fail "munged doesn't start, see $folder/munged.log"
}

# The process of a daemon, if it is alive: a pid alone may by now be another program's.
process() {
    local pid
    pid=$(cat "$folder/$1.pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && echo "$pid"
}

runs() {
    process munged >/dev/null && process slurmctld >/dev/null && process slurmd >/dev/null
}

# Waits up to a number of seconds until a command succeeds.
within() {
    local seconds=$1
    shift
    for ((; seconds > 0; seconds--)); do
        "$@" && return
        sleep 1
    done
    return 1
}

is_usable() {
    sinfo --noheader --format=%T 2>/dev/null | grep --quiet --extended-regexp '^(idle|mixed|allocated)$'
}

has_no_jobs() {
    [ -z "$(squeue --noheader)" ]
}

has_ended() {
    ! process "$1" >/dev/null
}

start() {
    if runs && is_usable; then
        echo "SLURM is running already."
    else
        stop
        install_packages
        mkdir -p "$folder/state" "$folder/spool"
        write_configuration
        start_munged
        slurmctld || fail "slurmctld doesn't start, see $folder/slurmctld.log"
        slurmd || fail "slurmd doesn't start, see $folder/slurmd.log"
        within 60 is_usable || fail "the node doesn't become idle, see $folder/slurmctld.log and slurmd.log" \
            "($(grep --no-filename fatal: "$folder"/slurm*.log | tail --lines=1))"
    fi
    sinfo --Node --long
    echo "export SLURM_CONF=$SLURM_CONF"
}

stop() {
    local daemon pid
    if runs; then
        scancel --user="$(id -un)" || true
        within 60 has_no_jobs || echo "single-node.sh: jobs are still running: $(squeue --noheader)" >&2
    fi
    for daemon in slurmd slurmctld munged; do
        pid=$(process "$daemon") || continue
        kill "$pid"
        within 30 has_ended "$daemon" || fail "$daemon (process $pid) doesn't end, see $folder/$daemon.log"
        echo "$daemon has ended."
    done
}

[ $# = 2 ] || fail "usage: single-node.sh start|stop FOLDER"
[ "$1" = stop ] || mkdir -p "$2"
folder=$(realpath -- "$2")
# A socket's path has room for 107 characters.
[ ${#folder} -le 80 ] || fail "the path $folder is too long for a socket: choose a folder with a shorter one"
# Debian keeps daemons where an ordinary user's PATH doesn't look.
export PATH=$PATH:/usr/sbin SLURM_CONF=$folder/slurm.conf
case $1 in
    start | stop) "$1" ;;
    *) fail "$1 is neither start nor stop" ;;
esac
