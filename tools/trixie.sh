#!/bin/bash
# The tests on Debian 13 ("trixie"), whose R, LibTorch, Seurat and SingleCellExperiment are newer:
#
#   tools/trixie.sh                  'make test' in there; the last line is its sum
#   tools/trixie.sh -- COMMAND ...   builds canalR and runs a command in there, in a copy of this
#
# Debian 13 is a folder that is entered by chroot (trixie-root.sh), which needs root. It stays, with
# a copy of the clone and what was compiled there: when nothing has changed since all tests passed,
# the copy's own test.sh shows the kept result.
source "$(dirname "$0")/common.sh"

command=()
if (($# > 0)); then
  [ "$1" = -- ] && (($# > 1)) || { echo "usage: tools/trixie.sh [-- COMMAND ...]" >&2; exit 2; }
  command=("${@:2}")
fi

# A test that cannot be run counts as one that failed.
give_up() {
  echo "Debian 13: $1" >&2
  ((${#command[@]} > 0)) || echo "0 passed, 1 failed"
  exit 1
}

# Where this machine has no place for a Debian 13 nothing is known of the tests. 77 is what Automake's
# tests end with when they are skipped.
cannot_run() {
  echo "Debian 13 CANNOT BE SET UP HERE: $1" >&2
  ((${#command[@]} > 0)) || echo "0 passed, 0 failed, 1 skipped"
  exit 77
}

# In a mount namespace of its own, what is mounted goes when this script ends, however it ends.
if [ -z "${CANALR_OWN_MOUNTS:-}" ]; then
  [ "$(id -u)" = 0 ] || cannot_run "needs root, as it is entered by chroot."
  export CANALR_OWN_MOUNTS=no
  if unshare --mount true 2> /dev/null; then
    CANALR_OWN_MOUNTS=yes exec unshare --mount tools/trixie.sh "$@"
  fi
fi

source tools/trixie-root.sh

# Takes over the files that differ. Not by their dates: one may have been changed before what was
# compiled from its predecessor in the copy.
take_over() {
  local from=$1 target=$2 file
  while IFS= read -r file; do
    cmp -s "$from/$file" "$target/$file" && continue
    mkdir -p "$(dirname "$target/$file")"
    cp "$from/$file" "$target/$file"
  done
}

# The clone as it is, changes that are not committed included; what was built in the copy stays.
copy_in() {
  local target=$root/$copy new=.build/trixie-new
  rm -rf "$new"
  mkdir -p "$new" "$target/.build"
  touch "$target/.build/copied"
  copy_clone "$new" > .build/copied
  take_over "$new" "$target" < .build/copied
  rm -rf "$new"
  # What is no longer in the clone goes.
  LC_ALL=C comm -13 .build/copied "$target/.build/copied" |
    (cd "$target" && xargs -d '\n' -r rm -f --)
  mv .build/copied "$target/.build/copied"
  if [ -n "${CANALR_GOLDEN:-}" ]; then
    rm -rf "$root/$golden"
    cp -RL "$CANALR_GOLDEN" "$root/$golden"
  fi
}

versions() {
  inside dpkg-query -W -f '${Package} ${Version}\n' r-base-core libtorch-dev r-cran-seurat \
    r-bioc-singlecellexperiment
}

run_tests() {
  local result=$root/$copy/.build/test-result status=0
  inside make -s install || give_up "canalR does not build in there (above)."
  inside make -s test || status=1
  ((status > 0)) || exit 0
  # The complaint of make comes behind the sum.
  [ -s "$result" ] || give_up "the tests ended early (above)."
  cat "$result"
  exit 1
}

make_root_once
copy_in
enter_root
provide_packages
versions
((${#command[@]} > 0)) || run_tests
inside make -s install
inside "${command[@]}"
