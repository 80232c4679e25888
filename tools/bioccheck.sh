#!/bin/bash
# BiocCheck of what R CMD build makes, in .build/bioccheck. Fails on errors, on warnings, and on notes
# that tools/bioccheck-notes.dcf does not explain.
source "$(dirname "$0")/common.sh"
compile_apart

tools=$PWD/tools

tools/tarball.sh
rm -rf .build/bioccheck
mkdir -p .build/bioccheck
cp .build/tarball/canalR_*.tar.gz .build/bioccheck/
cd .build/bioccheck
Rscript "$tools/bioccheck.R" canalR_*.tar.gz "$tools"
