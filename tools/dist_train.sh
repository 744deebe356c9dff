#!/usr/bin/env bash
# Trains a stage with several processes on this machine, one a GPU (or CPU processes without GPUs).
#
#   tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
#
# On several machines: NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT in the environment of each.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG PROCESSES [arguments of tools/train.py]" >&2
    exit 2
fi
config=$1
processes=$2
shift 2

if [ "${NNODES:-1}" -gt 1 ]; then
    rendezvous=(
        --nnodes="$NNODES"
        --node_rank="${NODE_RANK:?set NODE_RANK, 0 to NNODES - 1}"
        --master_addr="${MASTER_ADDR:?set MASTER_ADDR, a name of the machine with NODE_RANK 0}"
        --master_port="${MASTER_PORT:-29500}"
    )
else
    rendezvous=(--standalone)
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${rendezvous[@]}" \
    --nproc_per_node="$processes" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
