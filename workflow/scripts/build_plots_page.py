"""Write .dvc/plots/page.html, DVC's page of plots with Vega in it, so that it needs no network (`make setup`)."""

from pathlib import Path

import vl_convert

from asgd.files import write_text

PAGE = Path(__file__).parents[2] / ".dvc/plots/page.html"

# DVC fills in {plot_divs}. Its own page has {scripts} too, which load Vega from elsewhere.
bundle = vl_convert.javascript_bundle().replace("</script", "<\\/script")
write_text(
    PAGE,
    f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>asgd: experiments compared</title>
<style>body {{ font-family: sans-serif; margin: 2em; }}</style>
<script>{bundle}</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
""",
)
