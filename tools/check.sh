#!/bin/bash
# R CMD check --as-cran of what R CMD build makes, in .build/check so that the clone stays clean. Fails
# on errors, on warnings, on notes that tools/check-notes.dcf does not explain, and on a tarball that is
# larger than Bioconductor takes.
source "$(dirname "$0")/common.sh"
compile_apart

tools=$PWD/tools
most_bytes=5000000

# R's own switches (R Internals, "Tools") for what asks servers: the incoming checks of URLs and of
# CRAN's lists, and the world's time. Suggested packages are used where they are there. Examples may
# take longer than CRAN's 5 s, as other programs may be at work.
export _R_CHECK_CRAN_INCOMING_REMOTE_=false
export _R_CHECK_SYSTEM_CLOCK_=false
export _R_CHECK_FORCE_SUGGESTS_=false
export _R_CHECK_EXAMPLE_TIMING_THRESHOLD_=20

# And what repositories have is looked up in one that has nothing: Debian's profile for R, which names a
# server, is not read; and R CMD check asks CRAN whether suggested packages that are not installed
# have a maintainer.
without_repositories() {
  local name nothing=$PWD/nothing
  mkdir -p nothing/src/contrib nothing/web/packages
  : > nothing/src/contrib/PACKAGES
  Rscript -e 'saveRDS(data.frame(Package = character(), Maintainer = character()),
                      "nothing/web/packages/packages.rds")'
  printf 'menu_name\tURL\tdefault\tsource\twin.binary\tmac.binary\n' > repositories
  for name in CRAN BioCsoft BioCann BioCexp; do
    printf '%s\t"%s"\tfile://%s\tTRUE\tTRUE\tFALSE\tFALSE\n' \
      "$name" "$name" "$nothing" >> repositories
  done
  : > profile
  export R_REPOSITORIES=$PWD/repositories R_CRAN_WEB=file://$nothing R_PROFILE=$PWD/profile
}

arguments=(--as-cran --timings)
# The manual is LaTeX, with more fonts than the smallest installation has.
if ! kpsewhich inconsolata.sty > /dev/null 2>&1; then
  echo "No LaTeX with the manual's fonts: the PDF manual is not checked."
  arguments+=(--no-manual)
fi

tools/tarball.sh
rm -rf .build/check
mkdir -p .build/check
cp .build/tarball/canalR_*.tar.gz .build/check/
cd .build/check
without_repositories

start=$SECONDS
R CMD check "${arguments[@]}" canalR_*.tar.gz || true
echo "Checked in $((SECONDS - start)) s."

Rscript "$tools/check-notes.R" canalR.Rcheck/00check.log "$tools"
bytes=$(wc -c < canalR_*.tar.gz)
if ((bytes > most_bytes)); then
  echo "The tarball has $bytes bytes, more than $most_bytes." >&2
  exit 1
fi
