#!/bin/sh
# install_tex.sh: install what the PDF needs, if it is missing. Exit status 1, and one line how to get it, if that fails.
set -eu
packages="texlive-latex-base texlive-latex-recommended texlive-publishers latexmk"

have_tex() {
    command -v latexmk >/dev/null && command -v pdflatex >/dev/null && kpsewhich IEEEtran.cls booktabs.sty >/dev/null
}

install_packages() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        as_root=env
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n env"
    else
        return 1
    fi
    echo "Installing TeX: $packages"
    $as_root apt-get update -qq </dev/null &&
        $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages </dev/null >/dev/null
}

have_tex || { install_packages && have_tex; } || {
    echo "No TeX, so no report.pdf. To get it: apt-get install $packages (or any TeX with latexmk and IEEEtran), then the same command again." >&2
    exit 1
}
