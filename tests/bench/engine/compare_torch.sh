#!/bin/bash
# Our training throughput over PyTorch's on the same cores, both run in turn so that the machine's moods hit both alike.
#
# usage: compare_torch.sh BENCH_ENGINE [rounds=5] [threads=2] [batch=128] [MODEL …]
# Prints for each model `MODEL_engine`, `MODEL_torch` (medians, samples_per_s) and `MODEL_ratio` (median of the ratios).
set -eu
here=$(dirname "$(readlink -f "$0")")
bench=$1
shift
rounds=5 threads=2 batch=128 models=
for word in "$@"; do
    case $word in
    rounds=*) rounds=${word#*=} ;;
    threads=*) threads=${word#*=} ;;
    batch=*) batch=${word#*=} ;;
    *) models="$models $word" ;;
    esac
done

median() { sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

for model in ${models:-softmax mlp cnn lenet cnn3 autoencoder conv-autoencoder vae gan lsgan dcgan}; do
    steps=40
    if [ "$model" = dcgan ]; then steps=20; fi
    if [ "$model" = softmax ] || [ "$model" = mlp ] || [ "$model" = autoencoder ]; then steps=400; fi
    ours= theirs= ratios=
    for _ in $(seq "$rounds"); do
        o=$("$bench" "$model" batch="$batch" threads="$threads" steps=$steps rounds=3 | cut -d' ' -f2)
        t=$(/usr/bin/python3 "$here/torch_models.py" "$model" batch="$batch" threads="$threads" steps=$steps rounds=3 | cut -d' ' -f2)
        ours="$ours$o"$'\n' theirs="$theirs$t"$'\n' ratios="$ratios$(awk "BEGIN {print $o / $t}")"$'\n'
    done
    echo "${model}_engine $(printf %s "$ours" | median) samples_per_s"
    echo "${model}_torch $(printf %s "$theirs" | median) samples_per_s"
    echo "${model}_ratio $(printf %s "$ratios" | median) times"
done
