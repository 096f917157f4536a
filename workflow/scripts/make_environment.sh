#!/bin/sh
# make_environment.sh FOLDER: the virtual environment with the exact versions of requirements.lock, and this project.
# PYTHON=... chooses the interpreter. EXTRAS=ray adds Ray, for real workers; EXTRAS= leaves it out; else it is as it was,
# at first without. FOLDER/.ready names the folder in which it is whole: without that file it is made
# from scratch, for it was interrupted, or copied here with programs that name another place.
set -eu
unset CDPATH  # with it, cd prints
folder=$1

fail() {
    echo "error: $*" >&2
    exit 1
}

# Of the user's settings those count that say where packages come from and how to fetch them. Any other may send them
# to another Python, or stop the set-up. docs/how-to/other-machines.md lists what is kept.
forget_settings() {
    for name in $(env | sed -nE 's/^((PIP_|UV_|PYTHON)[A-Za-z0-9_]+)=.*/\1/p'); do
        case $name in
            PIP_CONFIG_FILE | UV_CONFIG_FILE | UV_NO_CONFIG) ;;
            *INDEX* | *FIND_LINKS | *_CERT | *_CERTS | *_TLS | *_HOST | *PROXY* | *KEYRING* | *CREDENTIALS*) ;;
            *TIMEOUT | *RETRIES | *CACHE* | *OFFLINE | UV_CONCURRENT_* | UV_LINK_MODE | UV_TORCH_BACKEND) ;;
            *) unset "$name" ;;
        esac
    done
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11; fi
    for candidate in "$@"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python >= 3.11 among $*; install one, or name it: make PYTHON=/path/to/python3 ..."
}

is_whole() {
    [ "$(cat "$folder/.ready" 2>/dev/null)" -ef "$folder" ] && "$folder/bin/uv" --version >/dev/null 2>&1 &&
        "$folder/bin/python" -c "" 2>/dev/null
}

make_folder() {
    if [ -L "$folder" ] && [ -d "$folder" ] && [ -n "$(ls -A "$folder/")" ]; then
        fail "$folder is a link to a folder with something else in it; empty that folder or remove the link"
    fi
    rm -rf "$folder/bin"  # PATH may have it, and a broken Python there
    python=$(find_python)
    echo "Making the virtual environment $folder with $("$python" --version)"
    mkdir -p "$folder"
    "$python" -m venv --clear "$(cd "$folder" && pwd -P)" || {  # it refuses a link
        rm -rf "$folder/bin"
        fail "$python cannot make virtual environments; on Debian and Ubuntu install its venv package: apt-get install python3-venv"
    }
    # pip fetches uv with the user's settings, and installs it with nobody's: they may name another place.
    "$folder/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary uv \
        --dest "$folder/wheels" uv || fail "pip cannot fetch uv from a package registry; its complaint is above"
    PIP_CONFIG_FILE=/dev/null "$folder/bin/python" -m pip --isolated install --quiet --disable-pip-version-check \
        --no-index --no-deps "$folder"/wheels/uv-*.whl
    rm -r "$folder/wheels"
}

# Snakemake starts Python by a name that no quotes protect from the shell, PATH has no quotes at all, and braces are wildcards.
odd=$(printf %s "$(pwd -P)" | LC_ALL=C tr '\n' ' ' | LC_ALL=C tr -d 'A-Za-z0-9/_.,@%+=~^\200-\377-')
[ -z "$odd" ] || fail "$(pwd -P): this path has characters ($odd) that programs take for something else; move the project to another folder"
extras=${EXTRAS-$(cat "$folder/.extras" 2>/dev/null || true)}
case $extras in "" | ray) ;; *) fail "EXTRAS=$extras: there is one, ray" ;; esac
forget_settings
is_whole || make_folder
rm -f "$folder/.ready"

# uv and not pip: it takes exactly the locked wheels, whatever a local pip configuration offers besides.
"$folder/bin/python" workflow/scripts/select_registries.py >"$folder/uv.toml"
unset UV_NO_CONFIG
install() {
    "$folder/bin/uv" --config-file "$folder/uv.toml" pip "$@" --quiet --python "$folder/bin/python"
}

# What takes a compiler to build is taken as a wheel or not at all; uv finds that out before it downloads.
wheels="torch torchvision numba llvmlite numpy scipy pandas statsmodels matplotlib pillow"
only_wheels=$(for package in $wheels; do printf ' --only-binary %s' "$package"; done)
echo "Installing the versions of requirements.lock into $folder (about 3 GB to download the first time)"
if [ "$extras" ]; then cat requirements.lock; else sed '/^ray==/d' requirements.lock; fi >"$folder/requirements.lock"
install sync --compile-bytecode $only_wheels "$folder/requirements.lock" ||  # bytecode: every job starts a Python
    fail "requirements.lock cannot be installed here, for the reason above. Wheels exist for Python 3.11 to 3.14 on Linux with glibc >= 2.28 (x86_64, aarch64) and macOS >= 14 (arm64)"
install install --no-deps --editable .
"$folder/bin/python" workflow/scripts/build_plots_page.py
"$folder/bin/dvc" config --quiet --local plots.html_template plots/page.html  # without it DVC loads Vega from the net
echo "$extras" >"$folder/.extras"
(cd "$folder" && pwd -P) >"$folder/.ready"
