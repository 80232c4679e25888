#!/bin/bash
# clang-format, with the arguments given, on all C++ code that is written by hand.
source "$(dirname "$0")/common.sh"

find src tests/engine tests/fuzz \( -name '*.cpp' -o -name '*.h' \) ! -name 'RcppExports.cpp' -print0 |
  xargs -0 clang-format "$@"
