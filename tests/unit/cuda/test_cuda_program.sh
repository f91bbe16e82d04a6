#!/bin/sh
# test_cuda_program.sh TRAINBOT_TRAIN: a program with the CUDA backend starts without CUDA's libraries, lists the
# backend, and where there is no device refuses it in one line that says what to do; auto goes on without it.
set -u
program=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
fail() {
    echo "$*" >&2
    exit 1
}

"$program" --help | grep -q '^backends: auto, cuda, ' || fail "--help does not list cuda behind auto"
ldd "$program" | grep -E 'libcuda|libcudart|libcublas|libcudnn|stdc\+\+' && fail "linked with a library of CUDA"

cd "$folder" || exit 1
timeout 60 "$program" --backend cuda --model softmax --steps 1 >out 2>err
status=$?
if [ $status -eq 0 ]; then
    echo "SKIP: there is a CUDA device here"
    exit 77
fi
[ $status -eq 2 ] || fail "exit status $status instead of 2: $(cat err)"
[ "$(wc -l <err)" -eq 1 ] || fail "more than one line: $(cat err)"
grep -q 'cuda: .*: use --backend openblas$' err || fail "the line does not say what to do: $(cat err)"
[ ! -s out ] || fail "something on stdout: $(cat out)"

[ -d /usr/share/datasets/fashion-mnist ] || exit 0
timeout 60 "$program" --model softmax --steps 1 >out 2>err || fail "auto does not go on without a device: $(cat err)"
grep -q 'auto: cuda: ' err || fail "auto does not say why it passed cuda over: $(cat err)"
