#!/usr/bin/env bash
# Trains under Slurm, one task per GPU.
#
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS="--time=1-0"] \
#       slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]
#
# GPUS counts the tasks of all nodes. GPUS_PER_NODE=0 asks for no GPU: GPUS tasks on CPUs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_torchrun.sh"

case ${1:-} in -h | --help) usage && exit 0 ;; esac
[ $# -ge 4 ] || { usage >&2 && exit 2; }
command -v srun > /dev/null || { echo "error: no command srun: run this on a login node of a Slurm cluster" >&2; exit 1; }

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
cpus_per_task=${CPUS_PER_TASK:-5}
check_number GPUS "$gpus" 1 65536 "the number of tasks"
check_number GPUS_PER_NODE "$gpus_per_node" 0 1024 "the number of GPUs of a machine"
check_number CPUS_PER_TASK "$cpus_per_task" 1 1024 "the number of cores of a task"
check_number PORT "${PORT:-29500}" 1 65535 "a port of the first machine"
tasks=(--ntasks "$gpus")
if [ "$gpus_per_node" -gt 0 ]; then
    tasks+=(--ntasks-per-node "$((gpus < gpus_per_node ? gpus : gpus_per_node))")
    tasks+=(--gres "gpu:$((gpus < gpus_per_node ? gpus : gpus_per_node))")
fi
read -r -d "" -a more <<< "${SRUN_ARGS:-}" || true # words of all its lines; no pattern is expanded

# Slurm's ranks in torchrun's words, so that train.py knows one launcher; the port follows from the job's number.
# shellcheck disable=SC2016 # expanded by each task, not here
as_torchrun='
    export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS
    export MASTER_ADDR=${MASTER_ADDR:-$(scontrol show hostnames "$SLURM_STEP_NODELIST" | head -n 1)}
    export MASTER_PORT=${PORT:-$((20000 + 10#${SLURM_JOB_ID//[!0-9]/} % 20000))}
    exec "$@"'
exec srun --partition "$1" --job-name "$2" "${tasks[@]}" --cpus-per-task "$cpus_per_task" --kill-on-bad-exit=1 \
    "${more[@]}" bash -c "$as_torchrun" slurm_train "$(python_of_project)" -u "$tools/train.py" "$3" \
    --work-dir "$4" "${@:5}" --launcher pytorch
