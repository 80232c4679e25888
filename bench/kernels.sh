#!/bin/bash
# Builds and runs kernels.cpp, on CPUs with AVX-512.
#
#   bench/kernels.sh [TOKENS]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
${CXX:-g++} -std=gnu++17 -O2 -I"$here/../src" "$here/kernels.cpp" \
  "$here"/../src/engine/kernels/tier_avx512*.cpp -o "$build/kernels"
"$build/kernels" "$@"
