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

# torchrun GPUS SCRIPT ARGUMENTS...
torchrun() {
    local gpus=$1 script=$2 rendezvous
    case $gpus in '' | *[!0-9]* | 0*)
        echo "error: GPUS is the number of processes per machine, not '$gpus'" >&2
        exit 2
        ;;
    esac
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
