#!/bin/bash
# Fuzzes all readers of files (tests/fuzz): FUZZ_RUNS inputs for each target, FUZZ_JOBS targets at a
# time. Ends with a table, also in .build/fuzz/results.md, and "N passed, N failed" of the targets.
#
#   FUZZ_RUNS     inputs per target; 1000000
#   FUZZ_SECONDS  at most so many per target; 0, no limit
#   FUZZ_TARGETS  some of them, by name; all
#   FUZZ_JOBS     targets at a time; as many as there are cores
#   FUZZ_SEED     of the random changes; 0, another one each time
#
# What the fuzzer keeps is in .build/fuzz/corpus and the start of the next run; what fails lies in
# .build/fuzz/found. The three targets of HDF5 files as bytes also fail inside the system's HDF5, which
# is not canalR's to mend: such inputs are counted apart, kept in .build/fuzz/hdf5, and passed over.
source "$(dirname "$0")/common.sh"

runs=${FUZZ_RUNS:-1000000} seconds=${FUZZ_SECONDS:-0} seed=${FUZZ_SEED:-0}
at_once=${FUZZ_JOBS:-$(getconf _NPROCESSORS_ONLN)}
here=.build/fuzz
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=512
ASAN_OPTIONS+=:quarantine_size_mb=16:malloc_context_size=8:allocator_release_to_os_interval_ms=-1
export UBSAN_OPTIONS=print_stacktrace=1

build() {
  mkdir -p $here
  cmake -S tests/fuzz -B $here/programs -DCMAKE_CXX_COMPILER="${FUZZ_CXX:-clang++}" \
    > $here/cmake.log 2>&1 || { cat $here/cmake.log; return 1; }
  cmake --build $here/programs -j "$(jobs)" > $here/build.log 2>&1 ||
    { tail -40 $here/build.log; return 1; }
}

# Sound files for every target: made ones, and the fixtures of the R tests.
seeds() {
  local packed folder
  rm -rf $here/seeds
  for folder in anndata:h5ad tenx:tenx; do
    mkdir -p "$here/seeds/${folder#*:}"
    for packed in tests/testthat/fixtures/"${folder%:*}"/*.gz; do
      gunzip -c "$packed" > "$here/seeds/${folder#*:}/$(basename "$packed" .gz)"
    done
  done
  FUZZ_FOLDER=$memory $here/programs/make_seeds $here/seeds tests/testthat/fixtures > $here/targets
}

stat_of() { sed -n "s/^stat::$1: *\([0-9]*\)$/\1/p" "$2" | tail -n 1; }
edges_of() { grep -oE ' cov: [0-9]+' "$1" | tail -n 1 | tr -dc '0-9'; }

# Whose failure it is, and where: the first function in the stack that is no sanitizer's and no
# standard library's; of a buffer that was overrun, whoever made it too small.
culprit() {
  awk '
    BEGIN { part = 0 }
    /^ +#[0-9]+ 0x/ {
      if (found[part] != "" || / in (__asan|__sanitizer|__interceptor|[A-Za-z]+InterceptorCommon|__ubsan|fuzzer::)|::tell_and_leave/) next
      if (/fuzz_main\.cpp|libc\.so|libstdc\+\+|libpthread|multiarch|nptl\/|sysdeps\/|stdlib\//) next
      if (/ in (operator new|operator delete|malloc|calloc|realloc|free|abort|raise|mem[a-z]+|str[a-z]+) ?\(/) next
      if (/\/bits\/|ext\/new_allocator/) next
      name = $0
      sub(/^ +#[0-9]+ 0x[0-9a-f]+ +/, "", name); sub(/^in /, "", name); sub(/ \(BuildId.*/, "", name)
      found[part] = name
    }
    /allocated by thread/ { part = 1 }
    /freed by thread/ { part = 2 }
    /libFuzzer: timeout/ { endless = "without end: " }
    END {
      made = found[1] != "" ? found[1] : found[0]
      own = found[0] ~ /libhdf5/ && made ~ /libhdf5/
      sub(/ \(.*\/(libhdf5[^)+]*).*/, " (&)", found[0]); sub(/\(.*\//, "(", found[0])
      print (own ? "hdf5" : "own"), endless (found[0] == "" ? "unknown place" : found[0])
    }' "$1"
}

# Seconds that one input may take. Those that run apart have a clock of their own, of what they
# compute: on a busy machine the fuzzer waits longer.
patience() {
  case $1 in
    h5ad | tenx | tree) echo 300 ;;
    *) echo 20 ;;
  esac
}

# One start of the fuzzer, up to its end or the first failure of canalR's own. Stacks are without names,
# which take a second for each; what is kept is tried again with them.
start() {
  local name=$1 log=$2 longest=16384 dictionary=$here/seeds/dictionaries/$1
  case $name in
    h5ad | tenx | tree) longest=32768 ;;
    pickle | anndata | payload) longest=8192 ;;
    npy | word2vec | json | zip | lzf) longest=2048 ;;
    made_*) longest=512 ;;
  esac
  ASAN_OPTIONS=$ASAN_OPTIONS:symbolize=0 UBSAN_OPTIONS=$UBSAN_OPTIONS:symbolize=0 \
    FUZZ_FOLDER=$memory FUZZ_KEPT=$here/kept/$name $here/programs/fuzz_"$name" -runs="$runs" \
    -max_total_time="$seconds" -seed="$seed" -timeout="$(patience "$name")" -rss_limit_mb=3000 -malloc_limit_mb=0 \
    -max_len=$longest -print_final_stats=1 -artifact_prefix="$here/found/$name/" \
    "$([ -f "$dictionary" ] && echo "-dict=$dictionary" || echo -verbosity=1)" \
    "$here/corpus/$name" "$here/seeds/$name" > "$log" 2>&1
}

# An input once more, alone: it may fail or not.
again() {
  FUZZ_FOLDER=$memory "$here/programs/fuzz_$1" -timeout="$(patience "$1")" -artifact_prefix="$memory/" "$2" || true
}

# A report with the names that its places have.
with_names() {
  local line name
  while IFS= read -r line; do
    if [[ $line =~ ^(\ +\#[0-9]+\ 0x[0-9a-f]+)\ +(\((.*)\+(0x[0-9a-f]+)\)) ]]; then
      name=$(addr2line -f -C -e "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}" | head -n 1)
      line="${BASH_REMATCH[1]} in $name ${BASH_REMATCH[2]}"
    fi
    echo "$line"
  done < "$1"
}

# Of a target that runs apart, each place where it ended: put where its kind belongs, beside what was
# said of it. Prints "<hdf5 or own> <times>" for each.
sort_kept() {
  local name=$1 kept=$here/kept/$1 number times blame kind
  while read -r number times; do
    # What never comes back would not now either, and what fails only after others had their way with
    # the memory does not fail alone.
    if ! grep -q 'libFuzzer: timeout' "$kept/$number.report"; then
      again "$name" "$kept/$number" > "$kept/$number.log" 2>&1
    fi
    grep -qsE 'ERROR|MEMORY' "$kept/$number.log" ||
      with_names "$kept/$number.report" > "$kept/$number.log"
    blame=$(culprit "$kept/$number.log")
    kind=${blame%% *}
    cp "$kept/$number" "$kept/$number.log" "$here/$([ "$kind" = hdf5 ] && echo hdf5 || echo found)/$name"
    echo "$times $blame" >> "$here/sites-$name"
    echo "$kind $times"
  done < "$kept/counts"
}

# One target to its end: a line of the table into its own file.
fuzz_one() {
  local name=$1 begun=$SECONDS found=0 hdf5=0 log=$here/$1.log folder input kind times
  for folder in kept hdf5 found; do rm -rf "${here:?}/$folder/$name"; done
  mkdir -p $here/{corpus,kept,hdf5,found}/"$name"
  : > "$here/sites-$name"
  if ! start "$name" "$log"; then
    found=1
    for input in "$here/found/$name/"*; do
      [ ! -e "$input" ] || again "$name" "$input" > "$input.log" 2>&1
    done
  fi
  if [ -s "$here/kept/$name/counts" ]; then
    while read -r kind times; do
      if [ "$kind" = hdf5 ]; then hdf5=$((hdf5 + times)); else found=$((found + times)); fi
    done < <(sort_kept "$name")
  fi
  rmdir --ignore-fail-on-non-empty $here/{hdf5,found}/"$name"
  echo "| $name | $(stat_of number_of_executed_units "$log") | $((SECONDS - begun))" \
    "| $(find "$here/corpus/$name" -type f | wc -l) | $(edges_of "$log") | $found | $hdf5 |" \
    > "$here/line-$name"
}

table() {
  local name
  echo "| target | runs | seconds | corpus | edges | found | inside HDF5 |"
  echo "|---|---|---|---|---|---|---|"
  for name in "${chosen[@]}"; do cat "$here/line-$name"; done
  if cat "${chosen[@]/#/$here/sites-}" | grep -q ' hdf5 '; then
    echo
    echo "Where the system's HDF5 ($(pkg-config --modversion hdf5)) fails by itself:"
    cat "${chosen[@]/#/$here/sites-}" |
      awk '$2 == "hdf5" { times = $1; $1 = $2 = ""; sum[$0] += times }
           END { for (place in sum) printf "%7d %s\n", sum[place], place }' | sort -rn
  fi
}

memory=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/canal-fuzz-XXXXXX")
trap 'rm -rf "$memory"' EXIT
build
seeds
mapfile -t chosen < <(if [ -n "${FUZZ_TARGETS:-}" ]; then
  tr -s ' ,' '\n' <<< "$FUZZ_TARGETS"
else
  cat $here/targets
fi)
rm -f $here/line-*
running=0
for name in "${chosen[@]}"; do
  if ((running >= at_once)); then wait -n; else running=$((running + 1)); fi
  fuzz_one "$name" &
done
wait
table | tee $here/results.md
failed=$(cat "${chosen[@]/#/$here/line-}" | awk -F'|' '$7 > 0' | wc -l)
((failed == 0)) || echo "What failed, and why: $here/found"
echo "$((${#chosen[@]} - failed)) passed, $failed failed"
((failed == 0))
