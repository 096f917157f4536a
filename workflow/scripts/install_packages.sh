#!/bin/sh
# install_packages.sh PACKAGE...: install packages of Debian or Ubuntu, if the rights allow. Exit status 1 if that fails.
set -eu
command -v apt-get >/dev/null || exit 1
if [ "$(id -u)" = 0 ]; then
    as_root=env
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n env"
else
    exit 1
fi
$as_root apt-get update -qq </dev/null
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
