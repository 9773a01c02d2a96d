#!/bin/sh
# Install the C library: libbarque.so with its links, libbarque.a, barque.h, barque.pc.
#
#     cargo build --release -p barque-ffi-c && ffi-c/install.sh
#
# PREFIX (/usr/local), LIBDIR (PREFIX/lib), INCLUDEDIR (PREFIX/include), DESTDIR (a package's root) and BUILD (the directory
# cargo built into) may be set in the environment.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
includedir=${INCLUDEDIR:-$prefix/include}
build=${BUILD:-${CARGO_TARGET_DIR:-$here/../target}/release}
destdir=${DESTDIR:-}
version=$(sed -n 's/^#define BARQUE_VERSION "\(.*\)"$/\1/p' "$here/include/barque.h")
# The ABI's number, as in build.rs.
abi=0

for file in libbarque.so libbarque.a; do
    [ -f "$build/$file" ] || {
        echo "install.sh: no $build/$file: run cargo build --release -p barque-ffi-c first" >&2
        exit 1
    }
done

mkdir -p "$destdir$libdir/pkgconfig" "$destdir$includedir"
# install(1) writes a new file and never into one that a running program has mapped.
install -m 755 "$build/libbarque.so" "$destdir$libdir/libbarque.so.$version"
ln -sf "libbarque.so.$version" "$destdir$libdir/libbarque.so.$abi"
ln -sf "libbarque.so.$abi" "$destdir$libdir/libbarque.so"
install -m 644 "$build/libbarque.a" "$destdir$libdir/libbarque.a"
install -m 644 "$here/include/barque.h" "$destdir$includedir/barque.h"
sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@INCLUDEDIR@|$includedir|" -e "s|@VERSION@|$version|" \
    "$here/barque.pc.in" > "$destdir$libdir/pkgconfig/barque.pc"
chmod 644 "$destdir$libdir/pkgconfig/barque.pc"
