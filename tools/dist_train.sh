#!/usr/bin/env bash
# Trains on several GPUs, of one machine or more; without any GPU, on that many CPU processes.
#
#   dist_train.sh CONFIG GPUS [arguments of train.py]
#
# Several machines, on each: NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 dist_train.sh CONFIG GPUS_PER_MACHINE
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_torchrun.sh"

case ${1:-} in -h | --help) usage && exit 0 ;; esac
[ $# -ge 2 ] || { usage >&2 && exit 2; }
torchrun "$2" train.py "$1" "${@:3}"
