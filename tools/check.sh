#!/bin/bash
# R CMD build and R CMD check, in .build/ so that the clone stays clean. Of a copy, since R CMD build
# begins by copying all that is in the clone, what was built there included.
source "$(dirname "$0")/common.sh"

rm -rf .build/check
mkdir -p .build/check/canalR
copy_clone .build/check/canalR > /dev/null
cd .build/check
MAKEFLAGS="-j$(jobs)" R CMD build canalR
MAKEFLAGS="-j$(jobs)" _R_CHECK_FORCE_SUGGESTS_=false R CMD check --no-manual canalR_*.tar.gz
