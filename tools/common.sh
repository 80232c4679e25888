# shellcheck shell=bash
# Sourced by the scripts beside it; they all run in the clone's top folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .build

# One compiler takes up to 1.3 GB for a file that includes LibTorch.
jobs() {
  local cores memory_kb=99999999 fit
  cores=$(getconf _NPROCESSORS_ONLN)
  [ -r /proc/meminfo ] && memory_kb=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
  fit=$((memory_kb / 1300000))
  ((fit < 1)) && fit=1
  echo $((cores < fit ? cores : fit))
}

# A checksum of the names and contents of all files in the given files and folders, generated ones
# left out: a copied or freshly cloned tree counts as unchanged, a deleted file as a change.
digest() {
  { find "$@" -type f ! -name '*.o' ! -name '*.so' ! -name '*.dep' ! -path 'src/Makevars' \
    ! -path '*/conftest.dir/*' ! -name '.Rhistory' -print0 2> /dev/null || true; } |
    LC_ALL=C sort -z | xargs -0 cksum | cksum
}

package_sources=(DESCRIPTION NAMESPACE LICENSE R src inst man configure cleanup)

# What the installed package was built from: its sources, where it was told to find LibTorch, and
# whether Gloo's headers were there.
package_digest() {
  digest "${package_sources[@]}"
  echo "LIBTORCH_HOME=${LIBTORCH_HOME:-} Gloo: $(ls -d /usr/include/gloo 2> /dev/null || true)"
}

# A stamp file holds the digest its step was last done for.
is_current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# Copies the clone without what git ignores, and tells what was copied, sorted. Not by git, which
# may be missing, or distrust a clone of another user.
copy_clone() {
  tar -c --exclude=./.git --exclude-from=<(sed 's,/$,,' .gitignore) . |
    tar -x -v --no-same-owner -C "$1" | grep -v '/$' | LC_ALL=C sort
}

# For R CMD build and check and their like, which compile in folders of their own: all find the same
# results in the compiler's cache, if there is one.
compile_apart() {
  export MAKEFLAGS R_MAKEVARS_USER=$PWD/tools/Makevars.check CCACHE_BASEDIR="" CCACHE_NOHASHDIR=true
  MAKEFLAGS="-j$(jobs)"
}
