"""Print, as a uv.toml, which of the user's settings of uv say where packages come from and how to fetch them.

`make setup` gives uv these and no others, which might install elsewhere (`target`, `system`) or something else
(`constraint-dependencies`). It runs before anything is installed: the standard library must do.
"""

import json
import os
import sys
import tomllib
from pathlib import Path

_KEPT = {
    *("index", "index-url", "extra-index-url", "find-links", "no-index", "index-strategy", "keyring-provider"),
    *("allow-insecure-host", "native-tls", "system-certs", "http-proxy", "https-proxy", "no-proxy", "torch-backend"),
    *("cache-dir", "offline", "concurrent-downloads", "concurrent-builds", "concurrent-installs", "link-mode"),
}


def main() -> None:
    """Print the settings that are kept; exit status 1, and one line, for a file that is not TOML."""
    kept: dict[str, object] = {}
    for file in _find_files():
        try:
            settings = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            sys.exit(f"error: {file}: uv's settings cannot be read ({error}); mend the file or set UV_NO_CONFIG=1")
        for table in (settings.get("pip", {}), settings):
            for key in sorted(_KEPT & table.keys()):
                earlier = kept.get(key)
                kept[key] = [*earlier, *table[key]] if isinstance(earlier, list) else kept.get(key, table[key])
    for key, value in kept.items():
        print(f"{key} = {_to_toml(value)}")


def _find_files() -> list[Path]:
    """The files that uv would read for this user, the one that wins first."""
    if os.environ.get("UV_NO_CONFIG"):
        return []
    if chosen := os.environ.get("UV_CONFIG_FILE"):
        return [Path(chosen)]
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 (no home: as it is)
    system = [*(os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep), "/etc"]
    return [file for folder in (home, *system) if folder and (file := Path(folder, "uv/uv.toml")).is_file()]


def _to_toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_to_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_to_toml(entry)}' for key, entry in value.items())} }}"
    return json.dumps(value)  # strings, numbers and truth values are written alike


main()
