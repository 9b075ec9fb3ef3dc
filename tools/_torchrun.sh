# shellcheck shell=bash
# Sourced by the launch scripts: how to say their usage, which Python to take, how to start torchrun.
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Prints the comment that opens the calling script.
usage() {
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# The environment of the set-up where there is one, else the Python at hand.
python_of_project() {
    if [ -x "$tools/../.venv/bin/python" ]; then echo "$tools/../.venv/bin/python"; else command -v python; fi
}

# check_number NAME VALUE LOW HIGH MEANING: refuses what is no plain number; bash's arithmetic would run what it holds.
check_number() {
    case $2 in
        0) [ "$3" = 0 ] && return ;;
        '' | *[!0-9]* | 0* | ????????*) ;;
        *) [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] && return ;;
    esac
    echo "error: $1 is $5, $3 to $4, not '$2'" >&2
    exit 2
}

# torchrun GPUS SCRIPT ARGUMENTS...
torchrun() {
    local gpus=$1 script=$2 rendezvous
    check_number GPUS "$gpus" 1 1024 "the number of processes per machine"
    check_number NNODES "${NNODES:-1}" 1 65536 "the number of machines"
    check_number NODE_RANK "${NODE_RANK:-0}" 0 "$((${NNODES:-1} - 1))" "the number of this machine"
    check_number PORT "${PORT:-29500}" 1 65535 "a port of the first machine"
    if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
        rendezvous=(--standalone) # any free port: two jobs on one machine do not meet
    else
        rendezvous=(--nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}")
        rendezvous+=(--master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}")
    fi
    # What torchrun and mmengine set too, but with a warning for each process.
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
    exec "$(python_of_project)" -m torch.distributed.run "${rendezvous[@]}" --nproc-per-node "$gpus" \
        "$tools/$script" "${@:3}" --launcher pytorch
}
