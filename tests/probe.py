"""Pages in a real Chromium, each in a frame of its own width: what is wide, missing, asked for, complained of."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

from browser import CHROMIUM

SECONDS = 120
PROBE = """
<script>
addEventListener("load", function () {
  if (location.hash === "#zh") { document.getElementById("in-zh").click(); }
  function wide(node) { return node.getBoundingClientRect().right > innerWidth + 1 && !node.closest(".unseen, thead"); }
  function drawn(letter) {
    var canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    pen.font = "40px " + getComputedStyle(document.body).fontFamily;
    pen.fillText(letter, 0, 45);
    return canvas.toDataURL();
  }
  var shown = Array.from(document.querySelectorAll("h1 span")).filter(function (one) { return one.offsetWidth; });
  function all(what) { return Array.from(document.querySelectorAll(what)); }
  parent.postMessage(JSON.stringify({
    width: innerWidth, scroll: document.documentElement.scrollWidth, language: document.documentElement.lang,
    outside: performance.getEntriesByType("resource").map(function (one) { return one.name; }),
    wide: all("body *").filter(wide).map(function (one) { return one.outerHTML.slice(0, 90); }),
    pictures: all("figure svg").map(function (one) { return one.getBoundingClientRect().width; }),
    missing: Array.from("理由夜次候选").filter(function (letter) { return drawn(letter) === drawn("\\u{10FFFD}"); }),
    blank: drawn("理") === drawn(" "), heading: shown.map(function (one) { return one.textContent; }).join(" ")
  }), "*");
});
</script>"""
FRAME = """<!doctype html><body><script>
var found = {};
addEventListener("message", function (told) {
  document.querySelectorAll("iframe").forEach(function (one) {
    if (one.contentWindow === told.source) { found[one.id] = JSON.parse(told.data); }
  });
  document.body.dataset.probe = JSON.stringify(found);
});
</script>"""
"""A window of Chromium is never narrower than 500 pixels: a frame in it is."""


def with_probe(page: str) -> str:
    """The page, which will tell the window around it how it looks."""
    return page.replace("</body>", PROBE + "</body>")


def look(folder: Path, frames: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    """What the probe found, by the keys of `frames` (address below `folder`, CSS pixels); `console`: every line
    that the pages wrote there. No page reaches the network."""
    inside = [
        f'<iframe id="{name}" style="width: {width}px; height: 800px; border: 0" src="{address}"></iframe>'
        for name, (address, width) in frames.items()
    ]
    (folder / "frames.html").write_text(FRAME + "".join(inside) + "</body>")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += ["--hide-scrollbars", "--window-size=1400,900", "--lang=en-US", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{folder / 'frames.html'}"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    (probe,) = re.findall(r'<body data-probe="([^"]*)"', done.stdout)
    return {**json.loads(unescape(probe)), "console": [line for line in done.stderr.splitlines() if "CONSOLE" in line]}
