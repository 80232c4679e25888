#!/bin/bash
# Sees that what a target needs is there: deps.sh
# demo|test|bench|lint|site|check|bioccheck|coverage|tidy|fuzz|sanitize. Says nothing if it is.
# Debian and Ubuntu packages are installed with apt-get as root or by sudo, only those that are
# missing; elsewhere, and without root, the missing ones are named.
source "$(dirname "$0")/common.sh"

# LibTorch on the reference BLAS, Debian's default, is 30 times slower than on OpenBLAS; of OpenBLAS'
# variants the OpenMP one shares its threads with LibTorch instead of fighting it for the cores.
demo_packages=(
  r-base-dev pkg-config libtorch-dev libhdf5-dev libopenblas0-openmp
  r-cran-rcpp r-cran-matrix r-cran-cli r-bioc-s4vectors
  r-bioc-singlecellexperiment r-cran-ggplot2
)
test_packages=("${demo_packages[@]}" libgloo-dev cmake libgtest-dev python3-torch
  r-cran-testthat r-cran-digest r-cran-seurat r-cran-knitr r-cran-rmarkdown
  r-cran-glmnet r-bioc-singler r-bioc-scran r-bioc-scuttle r-cran-uwot r-cran-tibble
  r-cran-vdiffr r-bioc-biocparallel r-cran-batchtools r-bioc-delayedarray r-bioc-hdf5array
  r-cran-hdf5r r-bioc-annotationdbi r-bioc-org.hs.eg.db)
bench_packages=("${demo_packages[@]}" python3 python3-torch python3-h5py r-bioc-scuttle r-bioc-scran
  r-cran-seurat r-cran-glmnet r-bioc-singler r-cran-irlba r-cran-cluster)
lint_packages=("${test_packages[@]}" clang-format r-cran-lintr r-cran-roxygen2)
site_packages=("${test_packages[@]}" r-cran-pkgdown pandoc)
# checkbashisms is in devscripts.
check_packages=("${test_packages[@]}" devscripts qpdf)
bioccheck_packages=("${check_packages[@]}" r-bioc-bioccheck r-bioc-biocversion)
coverage_packages=("${test_packages[@]}" r-cran-covr gcovr)
tidy_packages=("${test_packages[@]}" clang-tidy)
# libFuzzer and the sanitizers' runtimes come with clang; GoogleTest and LibTorch are not used.
fuzz_packages=(clang libclang-rt-dev cmake pkg-config libhdf5-dev)
# llvm names the lines in reports; libomp has Archer.
sanitize_packages=("${test_packages[@]}" clang libclang-rt-dev libomp-dev llvm valgrind)

case "${1:-}" in
  demo) wanted=("${demo_packages[@]}") ;;
  test) wanted=("${test_packages[@]}") ;;
  bench) wanted=("${bench_packages[@]}") ;;
  lint) wanted=("${lint_packages[@]}") ;;
  site) wanted=("${site_packages[@]}") ;;
  check) wanted=("${check_packages[@]}") ;;
  bioccheck) wanted=("${bioccheck_packages[@]}") ;;
  coverage) wanted=("${coverage_packages[@]}") ;;
  tidy) wanted=("${tidy_packages[@]}") ;;
  fuzz) wanted=("${fuzz_packages[@]}") ;;
  sanitize) wanted=("${sanitize_packages[@]}") ;;
  *) echo "usage: tools/deps.sh" \
       "demo|test|bench|lint|site|check|bioccheck|coverage|tidy|fuzz|sanitize" >&2
     exit 2 ;;
esac
log=.build/deps.log

as_root() {
  if [ "$(id -u)" = 0 ]; then env "$@"; else sudo env "$@"; fi
}

is_root_unasked() { [ "$(id -u)" = 0 ] || sudo -n true 2> /dev/null; }

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo > /dev/null; }

has() { command -v "$1" > /dev/null 2>&1; }

# Those of the wanted packages that the system's package manager has not installed.
not_installed() {
  local installed
  has dpkg-query || { printf '%s\n' "${wanted[@]}"; return; }
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2> /dev/null |
    sed -n 's/^installed //p')
  printf '%s\n' "${wanted[@]}" | grep -vxF -e "${installed:-none}" || true
}

# The same thing from another source: R packages in the user's library, tools in the PATH, a
# LibTorch that was named.
present_otherwise() {
  case $1 in
    r-base-core) has Rscript ;;
    r-*) grep -qixF "${1#r-*-}" <<< "$r_library" ;;
    libtorch-dev) [ -n "${LIBTORCH_HOME:-}" ] ;;
    g++) has g++ || has clang++ ;;
    python3-torch) python3 -c 'import torch' 2> /dev/null ;;
    python3 | pkg-config | cmake | clang-format | clang-tidy | gcovr | qpdf | pandoc) has "$1" ;;
    devscripts) has checkbashisms ;;
    *) return 1 ;;
  esac
}

# Libraries nothing here can see: configure and CMake look for them and say what they miss.
seen_by_others() {
  case $1 in
    libtorch-dev | libhdf5-dev | libopenblas* | libgtest-dev | libgloo-dev) return 0 ;;
  esac
  return 1
}

refuse() {
  {
    echo "These are missing, and $1:"
    printf '    %s\n' "${missing[*]}"
    echo "Under Debian or Ubuntu, with root: apt-get install --no-install-recommends ${missing[*]}"
    echo "Elsewhere: see 'Installing' in README.md."
  } >&2
  exit 1
}

# Lists that are missing or older than a day name packages that are no longer on the mirrors.
lists_are_fresh() {
  [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 2> /dev/null | head -1)" ]
}

apt_get() {
  as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >> "$log" 2>&1
}

install_missing() {
  echo "Installing ${#missing[@]} packages and what they need (log: $log):"
  printf '    %s\n' "${missing[*]}"
  local start=$SECONDS
  : > "$log"
  lists_are_fresh || apt_get update || true
  # Even fresh lists may name a version that has just been replaced.
  if ! apt_get install --no-install-recommends "${missing[@]}" &&
    ! { apt_get update && apt_get install --no-install-recommends "${missing[@]}"; }; then
    tail -30 "$log" >&2
    echo "apt-get could not install them; the end of $log is above." >&2
    exit 1
  fi
  echo "Installed in $((SECONDS - start)) s."
}

# Debian chooses among BLAS libraries by a link; one that was set by hand may still name the slow one.
reference_blas_links() {
  local link
  for link in /etc/alternatives/libblas.so.3-* /etc/alternatives/liblapack.so.3-*; do
    case $(readlink "$link") in
      */blas/libblas.so.3 | */lapack/liblapack.so.3) basename "$link" ;;
    esac
  done
}

use_openblas() {
  local name library
  for name in $(reference_blas_links); do
    library=/usr/lib/${name#*.so.3-}/openblas-openmp/${name%%-*}
    if [ -e "$library" ] && is_root_unasked; then
      as_root update-alternatives --quiet --set "$name" "$library"
    else
      echo "Note: $name is the reference BLAS; LibTorch is 30 times faster on OpenBLAS. With root:"
      echo "    apt-get install libopenblas0-openmp && update-alternatives --config $name"
    fi
  done
}

# Splits the missing packages into those that must be installed and those nothing here can see.
sort_out_missing() {
  local package r_library=""
  has Rscript && r_library=$(Rscript -e 'writeLines(unlist(lapply(.libPaths(), dir)))')
  needed=() unseen=()
  for package in "${missing[@]}"; do
    if present_otherwise "$package"; then continue; fi
    if seen_by_others "$package"; then unseen+=("$package"); else needed+=("$package"); fi
  done
  missing=(${needed[@]+"${needed[@]}"} ${unseen[@]+"${unseen[@]}"})
}

# Debian's R packages are for Debian's R; another R gets its packages from CRAN.
r_is_foreign() { has Rscript && has dpkg-query && ! dpkg-query -W r-base-core > /dev/null 2>&1; }

provide_missing() {
  sort_out_missing
  ((${#missing[@]} > 0)) || return 0
  if has apt-get && can_be_root; then
    if r_is_foreign && printf '%s\n' "${missing[@]}" | grep -q '^r-'; then
      refuse "this R is not the distribution's, so R packages must be installed from within it"
    fi
    install_missing
  elif ((${#needed[@]} > 0)); then
    refuse "cannot be installed from here (no root, no sudo, or no apt-get)"
  fi
}

# shellcheck disable=SC2207  # names of packages have no spaces
missing=($(not_installed))
((${#missing[@]} == 0)) || provide_missing
use_openblas
