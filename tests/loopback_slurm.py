"""Stand-ins for Slurm's commands, each job a process group of this machine; `hold` in their folder keeps jobs queued.

`queue/ID` holds the process of a job that was submitted and not cancelled; `refuse` in the folder is what sbatch and
squeue say instead of doing anything.
"""

from pathlib import Path

_REFUSE = """#!/bin/bash
slurm=$(dirname "$(dirname "$0")")
[ -e "$slurm/refuse" ] && { cat "$slurm/refuse" >&2; exit 1; }
"""
_COMMANDS = {
    "sbatch": _REFUSE
    + """
id=$(( 4999 + $(ls "$slurm/jobs" | wc -l) + 2 ))
cp "$1" "$slurm/jobs/$id"
log=$(sed -n 's/^#SBATCH --output=//p' "$1"); log=${log//%j/$id}
export SLURM_JOB_ID=$id SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_JOB_NODELIST=here
export SLURM_PROCID=0 SLURM_LOCALID=0
setsid bash -c 'while [ -e "$0/hold" ]; do sleep 0.05; done; touch "$0/started/$1"; exec bash "$0/jobs/$1"' \\
    "$slurm" "$id" < /dev/null >> "${log:-/dev/null}" 2>&1 &
echo $! > "$slurm/queue/$id"
echo "Submitted batch job $id"
""",
    "squeue": _REFUSE
    + """
[ "$1 $2 $3" = "--noheader --format=%i %T --jobs" ] || { echo "squeue: error: $*" >&2; exit 1; }
for id in ${4//,/ }; do
    [ -e "$slurm/queue/$id" ] && kill -0 "$(cat "$slurm/queue/$id")" 2> /dev/null || continue
    [ -e "$slurm/started/$id" ] && echo "$id RUNNING" || echo "$id PENDING"
    found=1
done
[ -n "$found" ] || case $4 in *,*) ;; *) echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1 ;; esac
""",
    "scancel": _REFUSE
    + """
kill -KILL -- -"$(cat "$slurm/queue/$1")"
""",
    "srun": """#!/bin/bash
while [ "${1#--}" != "$1" ]; do [ "$1" = --output ] && shift; shift; done
exec "$@"
""",
}


def make_slurm(folder: Path) -> Path:
    """Writes the commands; returns their folder, for PATH."""
    for name in ("jobs", "queue", "started", "bin"):
        (folder / name).mkdir(parents=True)
    for name, script in _COMMANDS.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    return folder / "bin"


def submitted(folder: Path) -> int:
    """How many jobs there were."""
    return len([*(folder / "jobs").iterdir()])
