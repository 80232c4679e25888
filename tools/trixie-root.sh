# shellcheck shell=bash
# Sourced by trixie.sh: a Debian 13 in the folder .build/trixie (4 GB), made by debootstrap from the
# mirror that this machine installs from (CANALR_DEBIAN_MIRROR names another). Its packages are kept
# in .build/trixie-packages.

root=.build/trixie
packages=.build/trixie-packages
log=.build/trixie.log
# In there: the copy of the clone, and the recorded numbers of CANALR_GOLDEN.
copy=srv/canalR
golden=srv/golden

cannot_run_by_log() {
  tail -n 30 "$log" >&2
  cannot_run "$1; the end of $log is above."
}

# Of all places that this machine installs from (one-line lists and deb822), those on the web.
configured_mirrors() {
  local lists=/etc/apt/sources.list
  sed -nE -e 's/^deb +(\[[^]]*\] *)?([^ ]+).*/\2/p' -e 's/^URIs: *(.*)/\1/p' \
    $lists $lists.d/*.list $lists.d/*.sources 2> /dev/null |
    tr -s ' \t' '\n' | grep -E '^https?://' | sed 's,/*$,,' | awk '!seen[$0]++'
}

# The first of them that has Debian 13.
mirror() {
  local place
  if [ -n "${CANALR_DEBIAN_MIRROR:-}" ]; then echo "$CANALR_DEBIAN_MIRROR"; return; fi
  for place in $(configured_mirrors); do
    if wget -q -T 20 -O /dev/null "$place/dists/trixie/InRelease"; then echo "$place"; return; fi
  done
  return 1
}

# apt knows of a proxy that others learn from the environment.
use_proxy_of_apt() {
  local name
  for name in http https; do
    eval "$(apt-config shell proxy "Acquire::$name::Proxy")"
    if [ -n "${proxy:-}" ]; then export "${name}_proxy=$proxy"; fi
    unset proxy
  done
}

provide_debootstrap() {
  local wanted=(debootstrap wget debian-archive-keyring) missing=() package
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed ||
      missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  install_on_host "${missing[@]}" || { apt-get -q update && install_on_host "${missing[@]}"; }
}

install_on_host() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install \
    --no-install-recommends "$@"
}

# What the network and packages need in there: this machine's names and proxies, no service that
# starts, no waiting for the disk after every file.
configure_root() {
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  apt-config dump | grep -E '^Acquire::https?::' > "$root/etc/apt/apt.conf.d/90host" || true
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/canalR"
  # Of debootstrap; they would be taken for fresh ones of apt.
  rm -f "$root"/var/lib/apt/lists/*Packages*
}

# The mark comes last: a root that was left half-made is made anew.
make_root_once() {
  local start=$SECONDS mark=$root/etc/canalR-root mirror
  [ ! -e "$mark" ] || return 0
  echo "Installing Debian 13 into $root (log: $log) ..."
  { provide_debootstrap && use_proxy_of_apt; } > "$log" 2>&1 ||
    cannot_run_by_log "debootstrap could not be installed"
  mirror=$(mirror) || cannot_run "it is at none of the places that this machine installs from \
(/etc/apt); CANALR_DEBIAN_MIRROR=URL names one where it is."
  rm -rf "$root"
  mkdir -p "$packages"
  # Certificates for mirrors by https.
  debootstrap --variant=minbase --include=ca-certificates --cache-dir="$PWD/$packages" trixie \
    "$root" "$mirror" >> "$log" 2>&1 || cannot_run_by_log "debootstrap failed"
  configure_root
  touch "$mark"
  echo "Installed in $((SECONDS - start)) s."
}

# /proc is all that must be mounted. Nearly everything works without it, too.
enter_root() {
  : > "$log"
  if [ "$CANALR_OWN_MOUNTS" = yes ] && mount -t proc proc "$root/proc" 2> "$log"; then
    share_compiler_cache
  else
    echo "Debian 13: /proc cannot be mounted in there; going on without. $(cat "$log")"
  fi
  chroot "$root" true 2> "$log" || cannot_run "$root cannot be entered: $(cat "$log")"
}

# Where this machine has ccache, what it keeps serves in there, too.
share_compiler_cache() {
  local cache
  command -v ccache > /dev/null && cache=$(ccache -k cache_dir) && [ -d "$cache" ] || return 0
  mkdir -p "$root/var/cache/ccache"
  mount --bind "$cache" "$root/var/cache/ccache" && tools+=(ccache)
}

# Needed for 'make deps', which brings the others.
tools=(make)

# Runs a command in the copy of the clone, in an environment of its own. Started in the background,
# this script may have been told to ignore Ctrl-C, which tests of it must not inherit.
inside() {
  chroot "$root" env -i --default-signal=INT,QUIT HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 \
    PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    OMP_WAIT_POLICY=passive R_LIBS="/$copy/.Rlib" CCACHE_DIR=/var/cache/ccache \
    ${CANALR_GOLDEN:+CANALR_GOLDEN="/$golden"} \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    sh -c 'cd "$0" && exec "$@"' "/$copy" "$@"
}

# Kept packages are put where apt looks for them, and those that it fetched are kept.
provide_packages() {
  local archives=$root/var/cache/apt/archives
  mkdir -p "$packages"
  cp -ln "$packages"/*.deb "$archives/" 2> /dev/null || true
  if ! inside dpkg-query -W "${tools[@]}" > "$log" 2>&1; then
    { inside apt-get -q update && inside apt-get -q -y install --no-install-recommends "${tools[@]}"
    } > "$log" 2>&1 || cannot_run_by_log "packages could not be installed in there"
  fi
  inside make -s deps || cannot_run "what canalR needs could not be installed in there (above)."
  cp -ln "$archives"/*.deb "$packages/" 2> /dev/null || true
  rm -f "$archives"/*.deb
}
