#!/usr/bin/env bash
# Runs a command in a memory cgroup of so many MiB and tells what it used, page cache included:
#   tools/memory_limit.sh MIB COMMAND...
# The page cache is emptied first, because pages that are already cached are charged to whoever read
# them. Ends with the command's exit code. Without a memory controller the command gets RLIMIT_DATA
# instead, which bounds its own memory only, and the last line says so.
set -euo pipefail

if [[ $# -lt 2 || ! $1 =~ ^[0-9]+$ ]]; then
  echo "usage: tools/memory_limit.sh MIB COMMAND..." >&2
  exit 2
fi
limit=$(($1 << 20))
shift

drop_caches() {
  sync
  if ! { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null; then
    echo "memory_limit: the page cache could not be emptied (needs root)" >&2
  fi
}

# Runs "$@" as a child that has first moved itself to the group of this cgroup.procs file.
run_in_group() {
  local procs=$1
  shift
  status=0
  bash -c 'echo $$ >"$0" && exec "$@"' "$procs" "$@" || status=$?
}

# shellcheck disable=SC2317  # the traps call it
remove_group() {
  if [[ -n ${group:-} && -d $group ]]; then rmdir "$group"; fi
}

# Version 1: a hierarchy that is mounted, or one of our own for the time of the run.
version_1() {
  local root
  grep -q '^memory' /proc/cgroups || return 1
  root=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ {print $2; exit}' /proc/mounts)
  if [[ -z $root ]]; then
    root=$(mktemp -d)
    mount -t cgroup -o memory memory "$root" 2>/dev/null || { rmdir "$root"; return 1; }
    # Unmounted lazily: the group in it may live a moment longer.
    trap 'remove_group; umount -l "$root"; rmdir "$root"' EXIT
  fi
  group=$root/thaw-limit-$$
  mkdir "$group" 2>/dev/null || { group=; return 1; }
  echo "$limit" >"$group/memory.limit_in_bytes"
  echo 0 >"$group/memory.swappiness" 2>/dev/null || true
  drop_caches
  run_in_group "$group/cgroup.procs" "$@"
  printf 'memory: limit %d, most used %d, failcnt %d, killed %d\n' "$limit" \
    "$(<"$group/memory.max_usage_in_bytes")" "$(<"$group/memory.failcnt")" \
    "$(awk '$1 == "oom_kill" {n = $2} END {print n + 0}' "$group/memory.oom_control")" >&2
}

version_2() {
  local root
  root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
  [[ -n $root ]] && grep -qw memory "$root/cgroup.controllers" || return 1
  echo +memory >"$root/cgroup.subtree_control" 2>/dev/null || return 1
  group=$root/thaw-limit-$$
  mkdir "$group" 2>/dev/null || { group=; return 1; }
  echo "$limit" >"$group/memory.max"
  echo 0 >"$group/memory.swap.max" 2>/dev/null || true
  drop_caches
  run_in_group "$group/cgroup.procs" "$@"
  printf 'memory: limit %d, most used %d, failcnt %d, killed %d\n' "$limit" \
    "$(cat "$group/memory.peak" 2>/dev/null || echo 0)" \
    "$(awk '$1 == "max" {print $2}' "$group/memory.events")" \
    "$(awk '$1 == "oom_kill" {print $2}' "$group/memory.events")" >&2
}

without_controller() {
  drop_caches
  status=0
  prlimit --data="$limit" -- "$@" || status=$?
  echo "memory: no memory controller here, so only RLIMIT_DATA was $limit" >&2
}

group=
status=0
trap remove_group EXIT
version_1 "$@" || version_2 "$@" || without_controller "$@"
exit "$status"
