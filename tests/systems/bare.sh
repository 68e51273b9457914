# shellcheck shell=bash
# shellcheck disable=SC2154
# Sourced by tests that need a system with nothing installed. $work is a folder that the test removes.
#
#   make_bare_system SUITE    debootstrap's smallest one, with apt, at $work/root
#   inside COMMAND...         runs there, with /proc and /dev, which are gone with it
#
# What debootstrap made is kept in build/systems; the mirrors are the distributions' own.

ubuntu_keyring() {
  local system=/usr/share/keyrings/ubuntu-archive-keyring.gpg
  local kept=$PWD/build/systems/ubuntu-archive-keyring.gpg
  if [[ -f $system ]]; then
    echo "$system"
  elif [[ -f $kept ]]; then
    echo "$kept"
  else
    # Debian 12 has no package of it. That of Debian 13 is checked by Debian's own keys.
    make_bare_system trixie >&2 && inside apt-get -q update >&2 &&
      inside sh -c 'cd /tmp && apt-get -q download ubuntu-keyring' >&2 &&
      dpkg-deb -x "$work"/root/tmp/ubuntu-keyring_*.deb "$work/keyring" &&
      cp "$work/keyring$system" "$kept" && rm -rf --one-file-system "$work/root" && echo "$kept"
  fi
}

make_bare_system() {
  local suite=$1 made=$PWD/build/systems/$1.tar options=(--variant=minbase) mirror keyring
  mkdir -p build/systems "$work/root"
  if [[ ! -f $made ]]; then
    case $suite in
      bookworm | trixie | forky | sid) mirror=http://deb.debian.org/debian ;;
      *)
        mirror=http://archive.ubuntu.com/ubuntu
        keyring=$(ubuntu_keyring) || return 1
        options+=("--components=main,universe" "--keyring=$keyring")
        ;;
    esac
    mkdir -p "$work/made"
    # gutsy: the script of all newer ones, also of those that this debootstrap does not know.
    [[ -e /usr/share/debootstrap/scripts/$suite ]] || set -- "$@" /usr/share/debootstrap/scripts/gutsy
    debootstrap "${options[@]}" "$suite" "$work/made" "$mirror" "${@:2}" >"$work/debootstrap.log" 2>&1 ||
      { tail -n 20 "$work/debootstrap.log" && return 1; }
    tar -C "$work/made" -cf "$made.new" . && mv "$made.new" "$made"
    rm -rf --one-file-system "$work/made"
  fi
  tar -C "$work/root" -xf "$made"
  # The mirror may be reached by settings of this machine.
  cp /etc/resolv.conf "$work/root/etc/resolv.conf"
  if compgen -G '/etc/apt/apt.conf.d/*proxy*' >/dev/null; then
    cp /etc/apt/apt.conf.d/*proxy* "$work/root/etc/apt/apt.conf.d/"
  fi
}

inside() {
  # shellcheck disable=SC2016  # the shell inside expands it
  unshare --mount --propagation private sh -c '
    mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' \
    "$work/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root "$@" </dev/null
}
