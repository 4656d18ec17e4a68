"""A real Chromium, driven over its own pipe: looks at pages of any width and presses keys, without a library."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from time import monotonic, sleep
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60.0
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", "--lang=en-US"]
_FLAGS += ["--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"]


class Browser:
    """One tab. `console`: every complaint of a page, and every error that nobody caught."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.console: list[str] = []
        self.loads = 0
        target = next(one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window, in CSS pixels; a narrow one is a telephone."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._ask("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Goes there, and waits for it."""
        before = self.loads
        self._ask("Page.navigate", url=url)
        self.wait(lambda: self.loads > before)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """One key, down and up."""
        number = {"Enter": 13, "Escape": 27}.get(key) or ord(key.upper())
        about = {"key": key, "windowsVirtualKeyCode": number, "modifiers": 2 if ctrl else 0}
        text = {} if key == "Escape" or ctrl else {"text": "\r" if key == "Enter" else key}
        self._ask("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **about)

    def press_and_load(self, key: str, *, ctrl: bool = False) -> None:
        """A key that leads to another page."""
        before = self.loads
        self.press(key, ctrl=ctrl)
        self.wait(lambda: self.loads > before)

    def type(self, text: str) -> None:
        """Into the field that has the focus."""
        self._ask("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def wait(self, holds: Any) -> None:
        """Until it holds."""
        end = monotonic() + SECONDS
        while not holds():
            assert monotonic() < end, "the page did not come"
            sleep(0.02)
            self._ask("Runtime.evaluate", expression="1")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == message["id"]:
                assert "error" not in told, (method, told["error"])
                answer: dict[str, Any] = told["result"]
                return answer
            self._hear(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._answers, 1 << 20)
            assert read, "Chromium has gone"
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told

    def _hear(self, told: dict[str, Any]) -> None:
        method, about = told.get("method"), told.get("params", {})
        if method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Log.entryAdded":
            self.console.append(str(about["entry"]["text"]))
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.console.append(json.dumps(about)[:500])


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium with an empty profile, gone at the end."""
    pipes = [*os.pipe(), *os.pipe()]
    theirs, commands, answers, ours = (fcntl(one, F_DUPFD_CLOEXEC, 20) for one in pipes)  # 3 and 4 are Chromium's own
    for one in pipes:
        os.close(one)
    open_there = f'exec "$0" "$@" 3<&{theirs} 4>&{ours}'
    command = ["bash", "-c", open_there, str(CHROMIUM), f"--user-data-dir={profile}", *_FLAGS]
    process = subprocess.Popen(command, pass_fds=(theirs, ours), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(theirs)
    os.close(ours)
    try:
        yield Browser(commands, answers)
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
        os.close(commands)
        os.close(answers)
