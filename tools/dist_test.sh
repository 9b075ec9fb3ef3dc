#!/usr/bin/env bash
# Evaluates a checkpoint on several GPUs, of one machine or more; without any GPU, on that many CPU processes.
#
#   dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
#
# Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT as for dist_train.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_torchrun.sh"

case ${1:-} in -h | --help) usage && exit 0 ;; esac
[ $# -ge 3 ] || { usage >&2 && exit 2; }
torchrun "$3" test.py "$1" "$2" "${@:4}"
