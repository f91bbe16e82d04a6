#!/bin/bash
# Our training step against PyTorch's on the same CUDA device, in turn so that the machine's moods hit both alike.
#
# usage: compare_torch_gpu.sh TRAINBOT_TRAIN [rounds=5] [batch=128] [steps=400] [precision=float32|tf32|bf16]
#                             [python=python3] [MODEL …]
# Prints for each model, medians over the rounds: MODEL_ours, MODEL_eager, MODEL_graph (us), MODEL_over_eager and
# MODEL_over_graph (times faster; medians of each round's ratio), MODEL_roofline (us) and MODEL_of_roofline (percent).
# Ours goes over the program's own --bench: data, upload, step and metrics; theirs over an upload and a step.
set -eu
here=$(dirname "$(readlink -f "$0")")
[ $# -ge 1 ] || { sed -n '2,9p' "$0" >&2; exit 2; }
train=$1
shift
rounds=5 batch=128 steps=400 precision=float32 python=python3 models=
for word in "$@"; do
    case $word in
    rounds=*) rounds=${word#*=} ;;
    batch=*) batch=${word#*=} ;;
    steps=*) steps=${word#*=} ;;
    precision=*) precision=${word#*=} ;;
    python=*) python=${word#*=} ;;
    *=*) echo "unknown setting \"$word\"" >&2; exit 2 ;;
    *) models="$models $word" ;;
    esac
done
"$python" -c 'import torch; raise SystemExit(0 if torch.cuda.is_available() else 1)' 2>/dev/null ||
    { echo "needs a CUDA device and a PyTorch that sees it (python=…)" >&2; exit 2; }

median() { sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
ratio() { awk "BEGIN {printf \"%.4f\", $1 / $2}"; }
line() { printf '%s %s %s\n' "$1" "$(printf '%s\n' $2 | median)" "$3"; }

for model in ${models:-cnn lenet mlp softmax}; do
    ours= eager= graph= over_eager= over_graph= share= roofline=
    for _ in $(seq "$rounds"); do
        rate=$("$train" --backend cuda --precision "$precision" --model "$model" --param bs="$batch" --bench "$steps" |
            "$python" -c 'import json, sys; print(json.load(sys.stdin)["samples_per_s"])')
        us=$(awk "BEGIN {print $batch / $rate * 1e6}")
        theirs=$("$python" "$here/torch_gpu.py" "$model" batch="$batch" precision="$precision" steps="$steps")
        e=$(awk '$1 == "eager" {print $2}' <<<"$theirs") g=$(awk '$1 == "graph" {print $2}' <<<"$theirs")
        roofline=$(awk '$1 == "roofline" {print $2}' <<<"$theirs")
        ours="$ours $us" eager="$eager $e" graph="$graph $g"
        over_eager="$over_eager $(ratio "$e" "$us")" over_graph="$over_graph $(ratio "$g" "$us")"
        share="$share $(ratio "100 * $roofline" "$us")"
    done
    line "${model}_ours" "$ours" us
    line "${model}_eager" "$eager" us
    line "${model}_graph" "$graph" us
    line "${model}_over_eager" "$over_eager" times
    line "${model}_over_graph" "$over_graph" times
    echo "${model}_roofline $roofline us"
    line "${model}_of_roofline" "$share" percent
done
