#!/bin/bash
# Runs the engine's tests (GoogleTest, without R) and the package's (testthat). The last line is the
# sum of both, "N passed, N failed". A suite that does not build, crashes or runs no test at all
# counts as one failure. When nothing has changed since all passed, the kept result is shown.
source "$(dirname "$0")/common.sh"

stamp=.build/tested
passed=0 failed=0 skipped=0

# The recorded numbers to match may lie elsewhere and differ, so their contents count.
golden_digest() { [ -z "${CANALR_GOLDEN:-}" ] || digest "$CANALR_GOLDEN"; }

test_digest() {
  package_digest
  digest tests tools vignettes bench README.md
  echo "CANALR_GOLDEN=${CANALR_GOLDEN:-} $(golden_digest)"
}

add() {
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
}

total() {
  local line="$passed passed, $failed failed"
  ((skipped > 0)) && line="$line, $skipped skipped"
  echo "$line"
}

crashed() {
  echo "FAILED: $1"
  add 0 1 0
}

# The folder of the LibTorch that configure chose, if it is not the system's.
libtorch_home() {
  local library_dir
  library_dir=$(sed -n 's/^PKG_LIBS = -L"\([^"]*\)".*/\1/p' src/Makevars)
  [ -z "$library_dir" ] || dirname "$library_dir"
}

build_engine() {
  cmake -S tests/engine -B .build/engine -DLIBTORCH_HOME="$(libtorch_home)" \
    > .build/cmake.log 2>&1 || { cat .build/cmake.log; return 1; }
  cmake --build .build/engine -j "$(jobs)"
}

# "passed failed skipped" from GoogleTest's report, which has the sums of all suites in one element.
engine_counts() {
  local all failures skips
  all=$(sed -n 's/^<testsuites tests="\([0-9]*\)".*/\1/p' "$1")
  failures=$(sed -n 's/^<testsuites .* failures="\([0-9]*\)".*/\1/p' "$1")
  skips=$(grep -c 'result="skipped"' "$1" || true)
  echo "$((all - failures - skips)) $failures $skips"
}

run_engine_tests() {
  local report=$PWD/.build/engine-tests.xml status=0 counts
  rm -f "$report"
  .build/engine/engine_tests --gtest_output="xml:$report" || status=$?
  if [ ! -s "$report" ]; then
    crashed "the engine's tests ended early (status $status)"
    return
  fi
  read -r -a counts <<< "$(engine_counts "$report")"
  add "${counts[@]}"
  if ((status != 0 && counts[1] == 0)); then crashed "the engine's tests ended with $status"; fi
  if ((counts[0] + counts[1] == 0)); then crashed "no test of the engine was run"; fi
}

run_r_tests() {
  local counts_file=.build/r-tests.txt status=0 counts
  rm -f "$counts_file"
  Rscript tools/run-tests.R tests/testthat "$counts_file" || status=$?
  if [ ! -s "$counts_file" ]; then
    crashed "the R tests ended early (status $status)"
    return
  fi
  read -r -a counts < "$counts_file"
  add "${counts[@]}"
  if ((status != 0)); then crashed "R ended with $status after the tests"; fi
  if ((counts[0] + counts[1] == 0)); then crashed "no R test was run"; fi
}

# The benchmarks at their smallest: what they measure is not looked at, but that they still can.
run_benchmarks() {
  local line
  for line in "train.R --tokens 21 --cells 4 --epochs 1 --batch 2" "predict.R --tokens 21 --cells 4" \
    "cellular.R --cells 64 --genes 40 --latent 4 --batch 32 --epochs 1 --steps 1"; do
    # shellcheck disable=SC2086
    if Rscript bench/$line > .build/bench.log 2>&1; then
      add 1 0 0
    else
      cat .build/bench.log
      crashed "bench/$line"
    fi
  done
}

digest_now=$(test_digest)
if is_current "$stamp" "$digest_now"; then
  echo "Nothing has changed since all tests passed: the kept result is shown."
  cat .build/test-result
  exit 0
fi
rm -f "$stamp" .build/test-result

echo "== Engine (C++, without R)"
if build_engine; then run_engine_tests; else crashed "the engine's tests do not build"; fi
echo "== R package"
run_r_tests
echo "== Benchmarks, at their smallest"
run_benchmarks
echo
total | tee .build/test-result
((failed == 0)) || exit 1
echo "$digest_now" > "$stamp"
