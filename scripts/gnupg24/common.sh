# Shared by build and run; sourced with the current directory at the top of the checkout.

tree=.build/trixie
home=/root  # of the user inside the tree
stamp=$tree/.complete

# Packages of the other system: the programs under test, the modules they need, and Python to run the tests.
packages="gnupg gpg gpg-agent gpgsm gpgconf scdaemon dirmngr openssh-client openssh-server git
  sq gpg-sq softhsm2 opensc libnss3 p11-kit p11-kit-modules gnupg-pkcs11-scd
  gcc libc6-dev libnss3-tools ca-certificates procps openssl python3 python3-venv"

die() {
  echo "gnupg24: $*" >&2
  exit 1
}

# Whether the tree is built and has every package of the list above; one that lacks any is built again.
complete() {
  [ -f "$stamp" ] || return 1
  for package in $packages; do
    grep -qx "Package: $package" "$tree/var/lib/dpkg/status" || return 1
  done
}

# Start this very script again in its own mount and process namespaces. Every mount made there vanishes with the
# last process, on any kind of exit, so that deleting the tree can never reach through a bind mount; and no daemon
# started by a test outlives the run.
enter_namespaces() {
  self=scripts/gnupg24/$(basename "$0")
  [ "$(id -u)" = 0 ] || exec sudo --preserve-env=DEBIAN_MIRROR,HOME,http_proxy,https_proxy,no_proxy "$self" "$@"
  [ -n "${GNUPG24_INSIDE:-}" ] && return 0
  GNUPG24_INSIDE=1 exec unshare --mount --propagation private --pid --fork --kill-child "$self" "$@"
}

# Mount what programs in the tree need.
mount_system() {
  mount -t proc proc "$tree/proc"
  mount --rbind /dev "$tree/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
  mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
  lend /etc/resolv.conf
  lend /etc/hosts
}

# Lend pip's settings, the certificate authorities, and the local package folders that those settings name. Not at
# build time: the package ca-certificates wants to replace its file.
mount_pip() {
  lend /etc/ssl/certs/ca-certificates.crt
  lend /etc/pip.conf
  lend "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$home/.config/pip/pip.conf"
  for folder in $(python3 -m pip config list 2>/dev/null | grep -oE "(file://|')/[^ '\\]+" | sed -E "s,^(file://|'),,"); do
    lend "${folder%/simple}"  # the files of a local index lie beside its pages
  done
}

# Show a file or folder of this machine in the tree, under the same or another name: mounted read-only, never copied.
lend() {
  at=$tree${2:-$1}
  if [ -d "$1" ]; then
    mkdir -p "$at"
  elif [ -f "$1" ]; then
    mkdir -p "$(dirname "$at")"
    [ -e "$at" ] || : > "$at"
  else
    return 0
  fi
  mount --bind "$1" "$at"
  mount -o remount,bind,ro "$at"
}

# Run a command in the tree with a clean environment; the proxy and pip settings of this machine are handed on.
inside() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${no_proxy:+no_proxy="$no_proxy"} ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
    ${PIP_CERT:+PIP_CERT=/etc/ssl/certs/ca-certificates.crt} \
    chroot "$tree" "$@"
}
