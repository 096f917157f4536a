#!/bin/sh
# make_environment.sh FOLDER: the virtual environment with the exact versions of requirements.lock, and this project.
# PYTHON=... chooses the interpreter.
set -eu
folder=$1

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python >= 3.11 among ${PYTHON:-python3, python3.13, python3.12, python3.11}; install one, or name it: make PYTHON=/path/to/python3 ..." >&2
    exit 1
}

if [ ! -x "$folder/bin/python" ]; then
    python=$(find_python)
    echo "Making the virtual environment $folder with $("$python" --version)"
    "$python" -m venv "$folder" || {
        rm -rf "$folder"
        echo "error: $python cannot make virtual environments; on Debian and Ubuntu install its venv package: apt-get install python3-venv" >&2
        exit 1
    }
fi
if [ ! -x "$folder/bin/uv" ]; then
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv
fi

echo "Installing the versions of requirements.lock into $folder (about 3 GB to download the first time)"
# uv and not pip: it takes exactly the locked wheels, whatever a local pip configuration offers besides.
VIRTUAL_ENV=$(cd "$folder" && pwd)
export VIRTUAL_ENV
"$folder/bin/uv" pip sync --quiet --compile-bytecode requirements.lock  # every job starts a Python
"$folder/bin/uv" pip install --quiet --no-deps --editable .
"$folder/bin/python" workflow/scripts/build_plots_page.py
"$folder/bin/dvc" config --quiet --local plots.html_template plots/page.html  # without it DVC loads Vega from the net
