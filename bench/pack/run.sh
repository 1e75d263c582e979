#!/bin/sh
# Measures Lorito, jax-js and, if python3 has it, PyTorch on this machine's GPU: ./run.sh [--only S,M,L,XL]
# [--take lorito,jax,torch] [--seconds N] [--rounds N]. Needs a Vulkan driver and x86-64 Linux with glibc 2.34 and the
# libstdc++ of GCC 12 or newer (Ubuntu 22.04, Debian 12).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
files="$here/files"
if [ ! -e "$files/unpacked" ] || [ "$here/files.tar.gz" -nt "$files/unpacked" ]; then
  rm -rf "$files"
  mkdir -p "$files"
  tar -xzf "$here/files.tar.gz" -C "$files"
  touch "$files/unpacked"
fi
# Compute-only machines often have the driver, but neither the loader nor the driver's manifest where the loader looks.
if ! ldconfig -p 2>/dev/null | grep -q libvulkan.so.1; then
  export LD_LIBRARY_PATH="$files/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
nvidia=/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && [ -e "$nvidia" ]; then
  export VK_DRIVER_FILES="$nvidia"
fi
exec "$files/node" "$files/pack/main.mjs" "$@"
