#!/bin/bash
# Style of the R code (lintr) and the C++ code (clang-format), and that what is generated was.
source "$(dirname "$0")/common.sh"

status=0
complain() {
  echo "LINT: $1"
  status=1
}

lint_r() {
  Rscript -e '
    found <- do.call(c, lapply(c("R", "tests", "inst", "tools", "bench"), function(folder) {
      if (dir.exists(folder)) lintr::lint_dir(folder, relative_path = FALSE)
    }))
    for (lint in found) print(lint)
    q(status = length(found) > 0)'
}

# Of functions of one name in two files of R the later one silently wins.
defined_once() {
  local twice
  twice=$(sed -nE 's/^([.A-Za-z][A-Za-z0-9_.]*) <- function.*/\1/p' R/*.R | sort | uniq -d)
  [ -z "$twice" ] || { echo "$twice"; return 1; }
}

# Generates again in a copy and compares.
generated_is_current() {
  local copy=.build/generated path
  rm -rf "$copy"
  mkdir -p "$copy"
  cp -R DESCRIPTION NAMESPACE R src man "$copy/" 2> /dev/null || true
  find "$copy/src" \( -name '*.o' -o -name '*.so' -o -name '*.dep' \) -delete
  tools/docs.sh "$copy" > .build/docs.log 2>&1 || { cat .build/docs.log; return 1; }
  for path in NAMESPACE man R/RcppExports.R src/RcppExports.cpp; do
    diff -r "$path" "$copy/$path" || return 1
  done
}

# Help pages that the web site's index lacks, where it would not be built for them.
in_site_index() {
  local page name missing=()
  for page in man/*.Rd; do
    name=$(basename "$page" .Rd)
    case $name in
      cellular_* | canal_plot_*) continue ;;
    esac
    grep -qF '\keyword{internal}' "$page" || grep -qxF -- "      - $name" _pkgdown.yml ||
      grep -qF -- "contents: $name" _pkgdown.yml || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || { echo "${missing[*]}"; return 1; }
}

lint_r || complain "lintr has remarks on the R code (above)."
defined_once || complain "functions of these names are defined twice in R/."
in_site_index || complain "_pkgdown.yml has no place for these help pages."
tools/format.sh --dry-run -Werror || complain "the C++ code is laid out otherwise: 'make format'."
generated_is_current || complain "generated files are out of date: 'make docs' writes them."
((status > 0)) || echo "No remarks."
exit $status
