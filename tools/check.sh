#!/bin/bash
# R CMD build and R CMD check, in .build/ so that the clone stays clean.
source "$(dirname "$0")/common.sh"

clone=$PWD
rm -rf .build/check
mkdir -p .build/check
cd .build/check
MAKEFLAGS="-j$(jobs)" R CMD build "$clone"
MAKEFLAGS="-j$(jobs)" _R_CHECK_FORCE_SUGGESTS_=false R CMD check --no-manual canalR_*.tar.gz
