#!/bin/sh
# The installed library as its users see it: the README's example through pkg-config and through the CMake package.
# usage: installed.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" --component library >"$work/log" || { cat "$work/log"; exit 1; }
[ "$(wc -l <"$source/protocol/example/train.c")" -le 40 ]
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name trainbot.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
cc "$source/protocol/example/train.c" $(pkg-config --cflags --libs trainbot) -lm -o "$work/example"
cat >"$work/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(trainbot 1 REQUIRED)
add_executable(shared $source/protocol/example/train.c)
target_link_libraries(shared trainbot::trainbot m)
add_executable(static $source/protocol/example/train.c)
target_link_libraries(static trainbot::trainbot_static m)
END
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" || { cat "$work/log"; exit 1; }
# nothing but the documented functions is visible
if nm -D --defined-only "$(find "$work/prefix" -name libtrainbot.so)" | awk '{print $3}' | grep -v '^tb_'; then exit 1; fi
TRAINBOT_SOCKET='' "$work/build/static"
