#!/bin/bash
# The web site: README, guides, help pages and news as HTML, in docs/. Needs no network, nor do its
# pages: fonts are the reader's own, and pkgdown/templates leaves out what pkgdown loads from other
# hosts. That nothing is left is looked at below.
source "$(dirname "$0")/common.sh"

rm -rf docs
mkdir -p docs
Rscript -e '
  options(pkgdown.internet = FALSE)
  pkgdown::build_site(".", preview = FALSE, install = FALSE, devel = FALSE, new_process = FALSE,
                      examples = TRUE)'

# The README links to sources; here they are pages.
sed -i.old -E -e 's#href="inst/(internals|several-machines)\.(md|html)"#href="articles/\1.html"#g' \
  -e 's#href="vignettes/([a-zA-Z]+)\.Rmd"#href="articles/\1.html"#g' docs/index.html
find docs -name '*.old' -delete

# Whatever a page would fetch from another host: scripts, styles, images. Links may lead anywhere.
loads='<(script|img|iframe)[^>]* src="(https?:)?//|<link[^>]* href="(https?:)?//[^"]*"[^>]*stylesheet|<link[^>]*stylesheet[^>]* href="(https?:)?//|url\(["'"'"']?(https?:)?//|@import'
fetched=$(grep -rlE "$loads" docs --include='*.html' --include='*.css' || true)
if [ -n "$fetched" ]; then
  echo "These pages load something from other hosts:" >&2
  printf '%s\n' "$fetched" >&2
  exit 1
fi
# An example that fails becomes a part of its page.
failed=$(grep -rl 'class="error"' docs/reference || true)
if [ -n "$failed" ]; then
  echo "Examples on these pages failed:" >&2
  printf '%s\n' "$failed" >&2
  exit 1
fi
echo "The site is in docs/: open docs/index.html."
