#!/bin/bash
# `asap prune --on ray` under Slurm: a Ray head on the first node, workers on the others, one run.
# Written from Ray's and Slurm's documentation and not tried on a real cluster by us.
#
#   sbatch examples/slurm.sh /shared/traces.parquet /shared/pruned --scorer /shared/models/DeepSeek-R1-Distill-Qwen-7B
#
# Input, run folder and model lie on a file system that all nodes see. The run's time limit may come:
# submit the same line again, and it goes on with the shards that are missing.

#SBATCH --job-name=asap
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-task=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00

set -euo pipefail
input=$1 output=$2
shift 2

# For an LLM in stage 1: ASAP_API_KEY in the environment of sbatch (or a file that is sourced here),
# and the reply cache on the head's own disk, or on one that outlives the job. Not on NFS: SQLite's
# write-ahead log does not work there.
export ASAP_CACHE=${ASAP_CACHE:-$HOME/.cache/asap}
export RAY_USAGE_STATS_ENABLED=0
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK  # srun does not take it over from sbatch by itself
# Who can reach Ray's ports can run code as you: a token for this job alone.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN

nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --overlap -w "$head" hostname --ip-address | awk '{print $1}'):6379

on_head() { srun --nodes=1 --ntasks=1 --overlap -w "$head" "$@"; }
count_nodes() {
    on_head python -c "import ray; ray.init('$address', log_to_driver=False); \
        print(sum(node['Alive'] for node in ray.nodes()))" 2>/dev/null || echo 0
}

start="ray start --block --num-cpus=$SLURM_CPUS_PER_TASK --num-gpus=4 --disable-usage-stats"
on_head $start --head --node-ip-address="${address%:*}" --port="${address##*:}" &
until [ "$(count_nodes)" -ge 1 ]; do sleep 2; done
n_workers=$((SLURM_JOB_NUM_NODES - 1))
if ((n_workers > 0)); then
    srun --nodes=$n_workers --ntasks=$n_workers --overlap --exclude="$head" \
        env -u ASAP_API_KEY -u OPENAI_API_KEY $start --address="$address" &
    # Scorers are counted when the run begins: wait for all nodes.
    until [ "$(count_nodes)" -ge "$SLURM_JOB_NUM_NODES" ]; do sleep 2; done
fi

# On the head, so that driver, cache and key are in one place; the job ends with it.
on_head \
    asap prune "$input" --output "$output" --on "ray:$address" "$@"
