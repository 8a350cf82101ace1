#!/usr/bin/env bash
# Installs the build that is given into an empty prefix, and builds and runs a five-line project
# against it.
set -euo pipefail
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The package holds every module, so what the tests have not built must be built first.
cmake --build "$build" --target clearway_modules >/dev/null
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cmake -G Ninja -S "$here" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_COMPILER="${CLEARWAY_CXX:-g++}" >/dev/null
cmake --build "$work/build"
"$work/build/names" --help | grep -q '^Usage: names'
if [[ -x $build/tools/clearway ]]; then  # it needs a package that not everybody has
  "$work/prefix/bin/clearway" --help | grep -q pstree
fi

# An unknown component is refused with its name.
sed 's/COMPONENTS http/COMPONENTS nosuch/' "$here/CMakeLists.txt" >"$work/CMakeLists.txt"
if message=$(cmake -G Ninja -S "$work" -B "$work/refused" \
  -DCMAKE_PREFIX_PATH="$work/prefix" 2>&1); then
  echo "find_package(clearway COMPONENTS nosuch) went through" >&2
  exit 1
fi
grep -q nosuch <<<"$message"
