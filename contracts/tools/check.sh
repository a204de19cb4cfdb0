#!/usr/bin/env bash
# Everything that must hold before contract changes are merged; CI runs this. From a fresh checkout: `npm ci` first.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -d node_modules ]; then
  echo "contracts/node_modules is missing: run \`npm ci\` in contracts/" >&2
  exit 1
fi

failed=()

step() {
  local name=$1 started=$SECONDS
  shift
  echo "== $name"
  "$@" || failed+=("$name")
  echo "-- $((SECONDS - started)) s"
}

lockfile_names_no_host() {
  # A resolved address would pin everybody to one registry.
  ! grep -n '"resolved"' package-lock.json
}

gas() {
  # The gas tests run the bytecode in abi/, so the drift check comes first. A rise above the tolerance fails; commit a
  # new .gas-snapshot (`npm run snapshot`) together with the reason for it.
  tools/forge snapshot --match-contract Gas --check .gas-snapshot --tolerance 2 --gas-snapshot-check=true
}

step "lockfile" lockfile_names_no_host
step "format" tools/forge fmt --check src test
step "documentation" tools/evidence natspec
step "build and test" tools/forge test
step "ABI drift" node tools/export_abi.mjs --check
step "storage layout" tools/evidence layout --built
step "gas snapshot" gas
if [ ${#failed[@]} -gt 0 ]; then
  printf '== FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
echo "== all contract checks passed in $SECONDS s"
