#!/bin/sh
# install_tex.sh: install what the PDF needs, if it is missing. Exit status 1, and one line how to get it, if that fails.
set -eu
packages="texlive-latex-base texlive-latex-recommended texlive-publishers latexmk"

have_tex() {  # as the report is built: without the user's settings of TeX
    command -v latexmk >/dev/null && command -v pdflatex >/dev/null &&
        env -i PATH="$PATH" HOME="${HOME:-/}" kpsewhich IEEEtran.cls booktabs.sty >/dev/null
}

install_tex() {
    echo "Installing TeX: $packages"
    "$(dirname "$0")/install_packages.sh" $packages
}

have_tex || { install_tex && have_tex; } || {
    echo "No TeX, so no report.pdf. To get it: apt-get install $packages (or any TeX with latexmk and IEEEtran), then the same command again." >&2
    exit 1
}
