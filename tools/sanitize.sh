#!/bin/bash
# Memory and threads, looked at by tools that see what tests do not:
#
#   tools/sanitize.sh           everything: an hour, most of it compiling
#   tools/sanitize.sh --quick   five minutes, half of them compiling
#   tools/sanitize.sh NAME...   some of: address thread valgrind gctorture memory
#
# address    the engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer; leaks count
# thread     the same under ThreadSanitizer. GCC's OpenMP is unknown to it, so clang's runs all
#            parallel regions, LibTorch's too, and Archer tells ThreadSanitizer of its barriers
# valgrind   the glue from R (sanitizers/glue.R): invalid accesses and definite losses
# gctorture  the same calls with a garbage collection every few allocations
# memory     200 stages in one process: it must not grow (sanitizers/memory.R)
#
# --quick: ASan and UBSan on the tests of what reads and writes files; ThreadSanitizer on those of
# the runtime, of teams, of preparing cells and of the cache that threads share, but no training;
# some groups of the calls under valgrind; gctorture seldom; 40 stages.
# A table of all is kept in .build/sanitize/results.md, the logs beside it.
source "$(dirname "$0")/common.sh"

quick=no checks=()
for argument; do
  case $argument in
    --quick) quick=yes ;;
    address | thread | valgrind | gctorture | memory) checks+=("$argument") ;;
    *) echo "usage: tools/sanitize.sh [--quick] [address|thread|valgrind|gctorture|memory ...]" >&2
      exit 2 ;;
  esac
done
if ((${#checks[@]} == 0)); then checks=(address thread valgrind gctorture memory); fi

out=$PWD/.build/sanitize
results=$out/results.md
mkdir -p "$out"
passed=0 failed=0 skipped=0
# Finite differences: thousands of the calls that other tests make once, an hour of them for TSan.
repeating_tests='Trainer.gradients_of_*:Pretrainer.gradients_agree_with*:*SmallTraining.gradients_*'
# One test asks for more memory than there can be, at which a sanitizer else ends the program.
asan_options='fast_unwind_on_malloc=0 allocator_may_return_null=1'
tsan_options='ignore_noninstrumented_modules=1 allocator_may_return_null=1'
# In a megabyte of memory ThreadSanitizer itself has no room.
starved_tests='Threads.ThatCannotBeStarted*'

# A row of the table. $1: name, $2: what ran, $3: seconds, $4: findings, $5: passed, failed, skipped
record() {
  printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$4" >> "$results"
  printf '%s: %s, %s s: %s\n' "$1" "$2" "$3" "$4"
  case $5 in
    passed) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)); failing="$failing $1" ;;
  esac
}

has() { command -v "$1" > /dev/null 2>&1; }

# ---- The engine's tests --------------------------------------------------------------------------

clang() { ls /usr/bin/clang++-[0-9]* /usr/bin/clang++ 2> /dev/null | head -1; }
archer() { ls /usr/lib/llvm-*/lib/libarcher.so 2> /dev/null | tail -1; }

# $1: its folder, $2: what CMake calls the sanitizers, $3: the program of tests.
build_engine() {
  { cmake -S tests/engine -B "$out/$1" -DSANITIZE="$2" -DCMAKE_CXX_COMPILER="$(clang)" &&
    cmake --build "$out/$1" --target "$3" -j "$(jobs)"; } > "$out/$1-build.log" 2>&1 ||
    { tail -30 "$out/$1-build.log"; return 1; }
}

# What the sanitizers' reports begin with.
report_pattern='runtime error:|ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer'

# $1: name, $2: what CMake calls the sanitizers, $3: the program of tests when quick.
engine_under() {
  local name=$1 sanitizers=$2 log=$out/$1-tests.log status=0 reports tests start=$SECONDS filter='*'
  local program=engine_tests
  [ $quick = no ] || program=$3
  if [ -z "$(clang)" ]; then record "$name" "no clang" 0 "not run" skipped; return; fi
  build_engine "$name" "$sanitizers" $program ||
    { record "$name" "does not build" $((SECONDS - start)) "see $name-build.log" failed; return; }
  [ "$name" != thread ] || filter="*:-$repeating_tests:$starved_tests"
  start=$SECONDS
  ASAN_OPTIONS="$asan_options" UBSAN_OPTIONS=print_stacktrace=1 \
    LSAN_OPTIONS="suppressions=$PWD/tools/sanitizers/leak.supp print_suppressions=0" \
    TSAN_OPTIONS="$tsan_options suppressions=$PWD/tools/sanitizers/thread.supp" \
    OMP_TOOL_LIBRARIES=$(archer) \
    "$out/$name/$program" --gtest_brief=1 --gtest_filter="$filter" > "$log" 2>&1 || status=$?
  reports=$(grep -cE "$report_pattern" "$log" || true)
  tests=$(sed -n 's/^\[==========\] \([0-9]*\) tests.*ran.*/\1/p' "$log" | tail -1)
  if ((status == 0 && reports == 0 && ${tests:-0} > 0)); then
    record "$name" "$tests of $program" $((SECONDS - start)) "none" passed
  else
    grep -E "$report_pattern|SUMMARY|FAILED" "$log" | sort | uniq -c | head -20
    record "$name" "${tests:-0} of $program" $((SECONDS - start)) \
      "$reports reports, status $status" failed
  fi
}

run_thread() {
  if [ -z "$(archer)" ]; then record thread "no libarcher" 0 "not run" skipped; return; fi
  engine_under thread thread thread_tests
}

# ---- The glue, from R ----------------------------------------------------------------------------

# The sum that a script of sanitizers/ ends with.
script_sum() { grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -1; }

# Of invalid accesses, and of definite losses, of whatever library. Valgrind knows no AVX-512.
run_valgrind() {
  local start=$SECONDS status=0 errors what="the glue from R" groups=()
  if [ $quick = yes ]; then
    groups=(prepare files tables cellular machine)
    what="$what: ${groups[*]}"
  fi
  if ! has valgrind; then record valgrind "no valgrind" 0 "not run" skipped; return; fi
  OPENBLAS_CORETYPE=Haswell ATEN_CPU_CAPABILITY=avx2 R --vanilla --no-echo \
    -d "valgrind --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --num-callers=40 --suppressions=tools/sanitizers/valgrind.supp \
        --log-file=$out/valgrind.txt" \
    -f tools/sanitizers/glue.R --args 0 "${groups[@]}" > "$out/valgrind.log" 2>&1 || status=$?
  errors=$(sed -n 's/.*ERROR SUMMARY: \([0-9]*\) errors.*/\1/p' "$out/valgrind.txt" | tail -1)
  if ((status == 0 && ${errors:-1} == 0)) && [ -n "$(script_sum "$out/valgrind.log")" ]; then
    record valgrind "$what" $((SECONDS - start)) "none" passed
  else
    tail -5 "$out/valgrind.log"
    record valgrind "$what" $((SECONDS - start)) "${errors:-no} reports, status $status" failed
  fi
}

run_script() {
  local name=$1 what=$2 start=$SECONDS status=0 found
  Rscript "tools/sanitizers/$3" "$4" > "$out/$name.log" 2>&1 || status=$?
  if ((status == 0)) && [ -n "$(script_sum "$out/$name.log")" ]; then
    found=$(sed -n 's/.* MB after .*: //p' "$out/$name.log")
    record "$name" "$what" $((SECONDS - start)) "${found:-none}" passed
  else
    tail -20 "$out/$name.log"
    record "$name" "$what" $((SECONDS - start)) "see $name.log" failed
  fi
}

run_gctorture() {
  local step=50
  [ $quick = no ] || step=500
  run_script gctorture "the glue, a collection every $step allocations" glue.R $step
}

run_memory() {
  local stages=200
  [ $quick = no ] || stages=40
  run_script memory "$stages stages" memory.R $stages
}

failing=
{
  printf 'Commit %s, %s\n\n' "$(git log -1 --format=%h 2> /dev/null || true)" "$(uname -m)"
  printf '| check | what ran | seconds | findings |\n|---|---|---|---|\n'
} > "$results"
for check in "${checks[@]}"; do
  case $check in
    address) engine_under address address,undefined reader_tests ;;
    *) "run_$check" ;;
  esac
done

line="$passed passed, $failed failed"
((skipped > 0)) && line="$line, $skipped skipped"
[ -z "$failing" ] || echo "Failed:$failing"
echo "$line"
((failed == 0))
