#!/bin/sh
# Real workers on the nodes of one allocation of Slurm: each starts Ray, and the first runs the command. In the project's
# folder, which all nodes see, with .venv/bin in PATH and images prepared there (asgd data):
#
#     sbatch --nodes=4 --cpus-per-task=16 examples/real_slurm.sh --num-workers 63 --epochs 1
#
# One core is the server's. asgd-real-<job>-0.log has what asgd says, the others what Ray says of their nodes. As it ends,
# Ray stops every process of Ray that is yours on these nodes: hence --exclusive.
#SBATCH --job-name=asgd-real
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --exclusive
#SBATCH --time=01:00:00
set -eu
umask 077

# A token that only your processes can read: without it nobody can send work to the nodes.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$PWD/.ray-token-$SLURM_JOB_ID"
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT
od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH"

# Gradients travel with the call, workers have the priority of any process, nobody is told, and a node without its head
# is given up after 30 s.
export RAY_max_direct_call_object_size=2000000 RAY_worker_niceness=0 RAY_USAGE_STATS_ENABLED=0
export RAY_gcs_rpc_server_reconnect_timeout_s=30

address=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):${RAY_PORT:-6379}
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --output=asgd-real-%j-%t.log ray symmetric-run --address "$address" \
    --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_PER_TASK" --object-store-memory 200000000 \
    -- env RAY_ADDRESS="$address" asgd train --execution real "$@"
