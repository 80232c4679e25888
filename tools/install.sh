#!/bin/bash
# Builds and installs canalR into .Rlib/, if its sources have changed.
source "$(dirname "$0")/common.sh"

stamp=.build/installed
digest_now=$(package_digest)
if [ -d .Rlib/canalR ] && is_current "$stamp" "$digest_now"; then exit 0; fi
rm -f "$stamp"
mkdir -p .Rlib

log=.build/install.log

# Objects of a plain R CMD INSTALL have no list of the headers they were compiled with.
drop_untracked_objects() {
  local object
  find src -name '*.o' | while IFS= read -r object; do
    [ -f "${object%.o}.dep" ] || rm "$object"
  done
}

build() {
  MAKEFLAGS="-j$(jobs)" R_MAKEVARS_USER="$PWD/tools/Makevars.clone" \
    R CMD INSTALL --strip --library=.Rlib . 2>&1
}

# Of all that goes into the log, what configure found and the files as they are compiled.
show_progress() {
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line" >> "$log"
    case $line in
      LibTorch:* | HDF5:* | "Several processes:"*) printf '%s\n' "$line" ;;
      *" -c "*.cpp" -o "*) line=${line##* -c } && printf '  %s\n' "${line%% -o *}" ;;
    esac
  done
}

echo "Building canalR into .Rlib/ ..."
start=$SECONDS
drop_untracked_objects
: > "$log"
if ! build | show_progress; then
  cat "$log" >&2
  echo "canalR could not be built; the reason is above." >&2
  exit 1
fi
echo "Built canalR in $((SECONDS - start)) s."
echo "$digest_now" > "$stamp"
