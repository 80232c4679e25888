#!/bin/bash
# clang-tidy on the engine, the glue and the engine's tests. A file is looked at again only when it,
# a header of ours that it includes, or the checks have changed. Takes the flags of make install.
#   tidy.sh --quick       only files without LibTorch's and Rcpp's headers, ten times as fast each
#   tidy.sh [file ...]    these files only
source "$(dirname "$0")/common.sh"

stamps=.build/tidy
mkdir -p "$stamps"

makevars_value() { sed -n "s/^$1 = //p" src/Makevars; }

# As R compiles the package, and as CMake compiles the tests. R's own headers come by -isystem, as
# they are not ours to mend.
compiler_flags() {
  local rcpp
  rcpp=$(Rscript -e 'cat(system.file("include", package = "Rcpp"))')
  echo "-std=c++17 -Isrc -Itests/engine -Itests/fuzz"
  makevars_value PKG_CPPFLAGS | sed 's/-I\. //'
  R CMD config --cppflags | sed 's/-I/-isystem /g'
  echo "-isystem $rcpp -DCANALR_PACKAGE=\"\" -DCANALR_UNPACKED=\"\""
}

# "file quick|slow checksums" for every source: the checksums of itself and of all headers of ours
# that it includes, however far.
source_checksums() {
  find src tests/engine \( -name '*.cpp' -o -name '*.h' \) ! -name RcppExports.cpp -print0 |
    xargs -0 cksum | awk '
    { sum[$3] = $1 }
    function place(name, from,    beside) {
      beside = from; sub(/[^\/]*$/, "", beside)
      return ("src/" name) in sum ? "src/" name : beside name
    }
    function read_includes(file,    line, part) {
      includes[file] = ""
      while ((getline line < file) > 0) {
        if (line ~ /^#include <(ATen|c10|torch|Rcpp)/) slow[file] = 1
        if (line !~ /^#include "/) continue
        split(line, part, "\"")
        includes[file] = includes[file] " " place(part[2], file)
      }
      close(file)
    }
    function visit(file,    names, count, i, all) {
      if ((file in seen) || !(file in sum)) return ""
      seen[file] = 1
      if (!(file in includes)) read_includes(file)
      if (file in slow) pace = "slow"
      all = sum[file]
      count = split(includes[file], names, " ")
      for (i = 1; i <= count; i++) all = all visit(names[i])
      return all
    }
    END {
      for (file in sum) if (file ~ /\.cpp$/) {
        split("", seen)
        pace = "quick"
        checksums = visit(file)
        print file, pace, checksums
      }
    }' | sort
}

stamp_of() { echo "$stamps/${1//\//_}"; }

# clang-tidy 14 crashes now and then on what is compiled for vectors of bfloat16: it is asked again.
tidy_one() {  # file, digest
  local log status attempt
  for attempt in 1 2 3 4 5; do
    status=0
    # shellcheck disable=SC2086  # flags are words
    log=$(clang-tidy --quiet --warnings-as-errors='*' "$1" -- $flags 2> /dev/null) || status=$?
    ((status < 128)) && break
    log="clang-tidy crashed $attempt times."
  done
  if ((status == 0)); then
    echo "$2" > "$(stamp_of "$1")"
    echo "  $1"
  else
    printf '%s\n' "$log"
    echo "TIDY: $1"
    return 1
  fi
}

is_wanted() {  # file, pace; and the arguments of the script
  local file=$1 pace=$2
  shift 2
  case ${1:-} in
    '') return 0 ;;
    --quick) [ "$pace" = quick ] ;;
    *) [[ " $* " == *" $file "* ]] ;;
  esac
}

flags=$(compiler_flags | tr '\n' ' ')
checks="$(cat .clang-tidy tests/engine/.clang-tidy | cksum) $(clang-tidy --version) $flags"
export -f tidy_one stamp_of
export flags stamps

start=$SECONDS
pending=()
while read -r file pace checksums; do
  is_wanted "$file" "$pace" "$@" || continue
  digest=$(cksum <<< "$checks $checksums")
  is_current "$(stamp_of "$file")" "$digest" || pending+=("$file" "$digest")
done < <(source_checksums)

echo "clang-tidy: $((${#pending[@]} / 2)) files to look at."
status=0
if ((${#pending[@]} > 0)); then
  printf '%s\0' "${pending[@]}" |
    xargs -0 -n 2 -P "${TIDY_JOBS:-$(jobs)}" bash -c 'tidy_one "$@"' tidy || status=1
fi
echo "clang-tidy: $((SECONDS - start)) s."
((status > 0)) || echo "No remarks."
exit $status
