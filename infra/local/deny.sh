#!/usr/bin/env bash
# Checks dependencies: licences, sources, doubles, and known holes where the advisory database can be reached.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=0.20.2
cache="${XDG_CACHE_HOME:-$HOME/.cache}/habeas/cargo-deny-$version"
advisories=https://github.com/RustSec/advisory-db

if [[ "$(cargo-deny --version 2>/dev/null || true)" == "cargo-deny $version" ]]; then
  deny=(cargo-deny)
else
  deny=("$cache/bin/cargo-deny")
  if [[ ! -x "${deny[0]}" ]]; then
    echo "habeas: building cargo-deny $version, once, into ${cache/#$HOME/\~} ..." >&2
    # Unoptimised: it builds in a minute instead of many, and checks this workspace in a second all the same.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=false CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
      CARGO_PROFILE_RELEASE_DEBUG=false CARGO_TARGET_DIR="$cache/target" \
      cargo install cargo-deny --version "$version" --locked --quiet --root "$cache" </dev/null
    rm -rf "$cache/target"
  fi
fi

"${deny[@]}" --log-level warn check bans licenses sources

if curl --silent --fail --max-time 10 --output /dev/null "$advisories/info/refs?service=git-upload-pack"; then
  "${deny[@]}" --log-level warn check advisories
else
  echo "habeas: NOT checked: known holes. The advisory database cannot be reached ($advisories)." >&2
fi
