# shellcheck shell=bash
# Sourced by the tests of packages: check WHAT COMMAND... counts, report prints "N passed, N failed"
# and is true where none failed.
passed=0
failed=0

check() {
  local what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    echo "FAILED: $what"
    failed=$((failed + 1))
  fi
}

report() {
  echo "$passed passed, $failed failed"
  [[ $failed -eq 0 ]]
}
