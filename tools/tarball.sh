#!/bin/bash
# R CMD build into .build/tarball, where the last one is kept until something in it changes. Of a copy:
# R CMD build copies all that is there before it leaves out what .Rbuildignore names, and .build may hold
# a whole Debian.
source "$(dirname "$0")/common.sh"
compile_apart

clone=$PWD
copy=$PWD/.build/tarball/canalR
digest_now="$(package_digest) $(digest tests vignettes NEWS.md README.md .Rbuildignore)"
stamp=.build/tarball/stamp
if is_current "$stamp" "$digest_now"; then exit 0; fi

rm -rf .build/tarball
mkdir -p "$copy"
copy_clone "$copy" > /dev/null
cd .build/tarball
start=$SECONDS
R CMD build "$copy"
rm -rf "$copy"
echo "Built $(ls canalR_*.tar.gz), $(wc -c < canalR_*.tar.gz) bytes, in $((SECONDS - start)) s."
echo "$digest_now" > "$clone/$stamp"
