#!/usr/bin/env bash
# Trains a stage on a slurm cluster: srun starts torchrun once a machine, torchrun a process a GPU.
#
#   [NODES=1] [GPUS_PER_NODE=8] [CPUS_PER_NODE=40] [SRUN_ARGS="…"] \
#       tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [arguments of tools/train.py]" >&2
    exit 2
fi
partition=$1
job=$2
config=$3
shift 3

export GPUS_PER_NODE=${GPUS_PER_NODE:-8}
export MASTER_PORT=${MASTER_PORT:-29500}
export PYTHON=${PYTHON:-python}
TRAIN=$(dirname "$0")/train.py
export TRAIN

# What each machine runs; slurm sets SLURM_* there.
# shellcheck disable=SC2016
node='
exec "$PYTHON" -m torch.distributed.run \
    --nnodes="$SLURM_NNODES" --node_rank="$SLURM_NODEID" \
    --master_addr="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)" \
    --master_port="$MASTER_PORT" --nproc_per_node="$GPUS_PER_NODE" \
    "$TRAIN" "$@"
'
# shellcheck disable=SC2086
exec srun --partition="$partition" --job-name="$job" \
    --nodes="${NODES:-1}" --ntasks-per-node=1 --gres="gpu:$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_NODE:-40}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    bash -c "$node" node "$config" --launcher pytorch "$@"
