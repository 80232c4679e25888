#!/bin/bash
# Puts canalR through faults: writes on full and read-only disks, without rights, killed; reads of
# damaged files; want of memory; Ctrl-C at random moments.
#
#   tools/faults.sh [--quick] [part ...]     parts: full permissions kills reads memory interrupts
#
# The tables are in .build/faults/results.md, and the last line is "N passed, N failed, N skipped":
# what was tried on each writer, reader or function counts as one. --quick, or FAULTS_QUICK=1, tries
# a few faults of each. Only answers to Ctrl-C are judged by their time: 1 s, or 5 s when quick.
source "$(dirname "$0")/common.sh"

results=$PWD/.build/faults
passed=0 failed=0 skipped=0
parts=()

for argument in "$@"; do
  case $argument in
    --quick) export FAULTS_QUICK=1 ;;
    full | permissions | kills | reads | memory | interrupts) parts+=("$argument") ;;
    *) echo "tools/faults.sh: unknown part '$argument'" >&2 && exit 2 ;;
  esac
done
if ((${#parts[@]} == 0)); then parts=(full permissions kills reads memory interrupts); fi

# A process that forks is to have no threads of OpenMP's. Where memory is limited the number is left
# alone: with OMP_NUM_THREADS set, OpenMP ended R itself for want of memory, in whose region is not
# known.
set_threads() {
  case $1 in
    memory | interrupts) unset OMP_NUM_THREADS ;;
    *) export OMP_NUM_THREADS=1 ;;
  esac
}

# What is freed goes back to the system at once (glibc). Else what interrupts lose would be taken
# from what was freed before, and not be seen; and what making an entry freed would be enough for it,
# whatever the limit.
set_allocator() {
  case $1 in
    memory | interrupts) export MALLOC_MMAP_THRESHOLD_=131072 ;;
    *) unset MALLOC_MMAP_THRESHOLD_ ;;
  esac
}

# Root's rights cannot be lost, so that part is another user's, with a folder of its own.
run_part() {
  local folder=$results
  export OMP_WAIT_POLICY=passive
  set_threads "$1"
  set_allocator "$1"
  if [ "$1" != permissions ] || [ "$(id -u)" != 0 ]; then
    Rscript "tests/faults/$1.R" "$folder"
    return
  fi
  folder=$(mktemp -d)
  chown nobody "$folder"
  TMPDIR=$folder HOME=$folder setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups \
    Rscript "tests/faults/$1.R" "$folder"
  cp "$folder/$1".* "$results/" 2> /dev/null || true
  rm -rf "$folder"
}

add_part() {
  local counts status=0
  rm -f "$results/$1.txt" "$results/$1.md"
  echo "== $1"
  run_part "$1" || status=$?
  if [ ! -s "$results/$1.txt" ]; then
    echo "FAILED: $1 ended early (status $status)"
    failed=$((failed + 1))
    return
  fi
  if ((status != 0)); then
    echo "FAILED: $1 ended with status $status, when all was done"
    failed=$((failed + 1))
  fi
  read -r -a counts < "$results/$1.txt"
  passed=$((passed + counts[0]))
  failed=$((failed + counts[1]))
  skipped=$((skipped + counts[2]))
  cat "$results/$1.md" >> "$results/results.md"
}

mkdir -p "$results"
{
  echo "# Faults"
  echo
  echo "By \`make faults\`${FAULTS_QUICK:+, quick}, on $(nproc) cores, $(date +%F)."
  echo
} > "$results/results.md"
for part in "${parts[@]}"; do add_part "$part"; done

echo
line="$passed passed, $failed failed"
((skipped > 0)) && line="$line, $skipped skipped"
echo "$line"
((failed == 0))
