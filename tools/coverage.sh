#!/bin/bash
# How much of the code the tests run, by lines: the engine under its own tests (gcov), R and the glue
# under the R tests (covr). Tables are printed and kept in .build/coverage, with the lines that no
# test reaches. Fails below 90 % in any of the three.
#   coverage.sh [engine|r]    one half only
source "$(dirname "$0")/common.sh"

out=$PWD/.build/coverage
mkdir -p "$out"

engine_coverage() {
  cmake -S tests/engine -B "$out/engine" -DCOVERAGE=ON -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
    > "$out/cmake.log" 2>&1 || { cat "$out/cmake.log"; return 1; }
  cmake --build "$out/engine" -j "$(jobs)"
  find "$out/engine" -name '*.gcda' -delete
  "$out/engine/engine_tests" --gtest_brief=1
  gcovr --root src --filter src/engine/ --object-directory "$out/engine" "$out/engine" \
    --csv "$out/engine.csv" --txt "$out/engine-missing.txt"
}

# In a copy, as covr builds where the sources are.
r_coverage() {
  rm -rf "$out/package"
  mkdir -p "$out/package"
  cp -R "${package_sources[@]}" tests "$out/package/"
  rm -rf "$out/package/tests/engine"
  find "$out/package/src" \( -name '*.o' -o -name '*.so' -o -name '*.dep' \) -delete
  (compile_apart && Rscript tools/coverage.R measure "$out/package" "$out")
}

case "${1:-both}" in
  engine) engine_coverage ;;
  r) r_coverage ;;
  both) engine_coverage && r_coverage ;;
  *) echo "usage: tools/coverage.sh [engine|r]" >&2; exit 2 ;;
esac
Rscript tools/coverage.R tables "$out"
