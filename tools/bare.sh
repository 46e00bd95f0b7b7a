#!/usr/bin/env bash
# Proves both README commands, each alone, in a bare Debian 12: made by debootstrap, root, no locale, no Node, no CMake.
#
#   tools/bare.sh [FOLDER]      as root; FOLDER (a temporary one by default) needs 12 GB and is removed at the end
#   BARE_KEEP=1                 keeps it
#   BARE_VERBS="demo test"      which commands
#
# The committed state of this repository is what is tested. The bare system gets this one's Debian sources, apt settings and
# proxy environment, and nothing else. Each command has a system of its own.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
((EUID == 0)) || { echo "tools/bare.sh: debootstrap and chroot need root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "tools/bare.sh: apt-get install debootstrap" >&2; exit 1; }

folder=${1:-$(mktemp -d /var/tmp/runnel-bare.XXXXXX)}
mkdir -p "$folder"
# The mirrors that this machine's apt uses.
# shellcheck disable=SC2016  # the names between brackets are apt's
mirror=${BARE_MIRROR:-$(apt-get indextargets --format '$(SITE) $(RELEASE)' | awk '$2 == "bookworm" { print $1; exit }')}
# shellcheck disable=SC2016
security=${BARE_SECURITY:-$(apt-get indextargets --format '$(SITE) $(RELEASE)' | awk '$2 == "bookworm-security" { print $1; exit }')}
mounts=()

# shellcheck disable=SC2317  # called by the trap
clean() {
  local i
  for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount -l "${mounts[i]}" || true; done
  [[ -n ${BARE_KEEP:-} ]] || rm -rf --one-file-system "$folder"
}
trap clean EXIT

bind() {   # bind TYPE-OR-PATH TARGET
  if [[ -d $1 ]]; then mount --bind "$1" "$2"; else mount -t "$1" "$1" "$2"; fi
  mounts+=("$2")
}

# fresh NAME: a new system in $folder/NAME with the repository at /src.
fresh() {
  local root=$folder/$1 file
  echo "== a bare system for $1" >&2
  cp -a "$folder/base" "$root"
  git clone -q --no-hardlinks . "$root/src"
  mkdir -p "$root/dev/net"
  [[ ! -e /dev/net/tun ]] || mknod -m 666 "$root/dev/net/tun" c 10 200   # udev makes it where one boots
  for file in proc sysfs tmpfs; do
    case $file in
      proc) bind proc "$root/proc" ;;
      sysfs) bind sysfs "$root/sys" ;;
      tmpfs) mkdir -p "$root/dev/shm"; bind tmpfs "$root/dev/shm" ;;
    esac
  done
}

inside() {   # inside NAME COMMAND...: with an empty environment but for the proxies
  local root=$folder/$1 proxies
  shift
  mapfile -t proxies < <(env | grep -iE '^(https?|no|all|ftp)_proxy=|^SSL_CERT_|^NODE_EXTRA_CA_CERTS=|^npm_config_' || true)
  chroot "$root" /usr/bin/env -i "${proxies[@]}" PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

echo "== debootstrap" >&2
debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/base" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
  { tail -n 20 "$folder/debootstrap.log" >&2; exit 1; }
cp /etc/resolv.conf /etc/hosts "$folder/base/etc/"
cp -r /etc/apt/apt.conf.d/. "$folder/base/etc/apt/apt.conf.d/"
printf 'deb %s %s main\n' "$mirror" bookworm "$mirror" bookworm-updates "${security:-$mirror}" "$([[ -n $security ]] && echo bookworm-security || echo bookworm)" \
  >"$folder/base/etc/apt/sources.list"
if compgen -G '/usr/local/share/ca-certificates/*' >/dev/null; then
  cp -r /usr/local/share/ca-certificates/. "$folder/base/usr/local/share/ca-certificates/"
  chroot "$folder/base" update-ca-certificates >/dev/null 2>&1
fi

failed=0
for verb in ${BARE_VERBS:-demo test}; do
  fresh "$verb"
  command=(/src/run "$verb")
  [[ $verb == demo ]] && command+=(--seconds 20)
  started=$SECONDS
  inside "$verb" "${command[@]}" || { echo "FAILED: ${command[*]}" >&2; failed=1; }
  echo "== ${command[*]}: $((SECONDS - started)) s, installing and building included" >&2
done
exit $failed
