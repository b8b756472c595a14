#!/usr/bin/env bash
# Installs the Debian packages that the tests run: Open vSwitch, its
# hardware_vtep emulator, the tools that look at packets, PostgreSQL, MariaDB,
# HAProxy, Keystone, Neutron, Heat, Tempest, OpenStack's client and the protobuf compiler. Does
# nothing when all are there. Works on a fresh Debian or Ubuntu as root; starts no
# service.
set -euo pipefail

packages=(
  openvswitch-switch openvswitch-vtep openvswitch-common openvswitch-pki openssl
  iproute2 iputils-ping iputils-arping tcpdump ethtool procps
  postgresql mariadb-server haproxy
  python3-keystone python3-waitress python3-neutron neutron-common python3-pymysql # what we stand beside
  python3-openstackclient python3-networking-l2gw # the client that ours is compared with
  python3-heat python3-tempest # what else uses the API
  bash-completion fish # shells that complete our commands
  gcc libc6-dev # for the race detector
  protobuf-compiler # for make proto
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "The tests need what Debian has in these packages; please install them: ${missing[*]}" >&2
  exit 1
fi
if [[ $EUID -ne 0 ]]; then
  echo "The tests need these packages; please install them as root: apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "Installing for the tests: ${missing[*]}"
work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
made_policy=
cleanup() {
  rm -rf "$work"
  [[ -z $made_policy ]] || rm -f "$policy"
}
trap cleanup EXIT

# The tests start their own daemons in folders of their own; Debian's stay down.
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  made_policy=yes
fi

# An archive folder of our own, as two runs of apt-get remove each other's
# downloads from the common one; and no fsync for each file.
mkdir -p "$work/archives/partial"
chmod 755 "$work" "$work/archives"
apt=(
  apt-get -q -y
  -o DPkg::Lock::Timeout=600
  -o Dir::Cache::archives="$work/archives"
  -o Dpkg::Options::=--force-unsafe-io
  -o Dpkg::Use-Pty=0
)
export DEBIAN_FRONTEND=noninteractive
log=$work/log
run() {
  if ! "${apt[@]}" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "apt-get $1 failed, as told above. The tests need these packages; please install them: ${missing[*]}" >&2
    return 1
  fi
}
# The lists may be absent or old. They are only refreshed when there is something to install.
run update
run install --no-install-recommends "${missing[@]}"
