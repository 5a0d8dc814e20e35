# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium that tests drive as a reader would: clicks, keys, sizes, print.

It is spoken to through a pipe (--remote-debugging-pipe): messages of the DevTools protocol, each
with a NUL behind it. Every request that a page makes is noted, so "no network" is visible from
outside.
"""
import base64
import json
import os
import shutil
import subprocess

NAMES = ["chromium", "chromium-browser", "google-chrome"]
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
]
KEYS = {
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "/": 191,
}


def find():
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one tab."""

    def __init__(self, program, folder):
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()

        def place():
            """The browser reads descriptor 3 and writes 4."""
            read, write = os.dup(to_read), os.dup(from_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, *ARGUMENTS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=place,
        )
        os.close(to_read)
        os.close(from_write)
        self.rest, self.last, self.session = b"", 0, None
        self.asked, self.errors, self.loaded = {}, [], set()
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        self.size(1366, 768)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        os.close(self.to_write)
        os.close(self.from_read)

    @property
    def requests(self):
        return list(self.asked.values())

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.from_read, 1 << 16)
            assert more, "the browser has ended"
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.asked[params["requestId"]] = params["request"]["url"]
        elif method == "Network.loadingFailed" and params.get("blockedReason") == "csp":
            self.asked.pop(params["requestId"], None)  # the page's policy: it was not sent
        elif method == "Page.lifecycleEvent" and params["name"] == "load":
            self.loaded.add(params["loaderId"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"])[:2000])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])

    def call(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_write, data) :]
        while True:
            answer = self.read()
            if answer.get("id") == self.last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.note(answer)

    # ---- what a reader does ----

    def open(self, address):
        """Open it anew, also where only the fragment differs."""
        self.navigate("about:blank")
        self.asked, self.errors = {}, []
        self.navigate(address)
        self.run("new Promise(requestAnimationFrame)")

    def navigate(self, address):
        loader = self.call("Page.navigate", url=address)["loaderId"]
        while loader not in self.loaded:
            self.note(self.read())

    def run(self, script):
        """The value of an expression of JavaScript, promises waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def all(self, selector, what="each.innerText"):
        return self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => {what})"
        )

    def place(self, selector):
        """The middle of an element that is brought into view."""
        found = self.run(
            f"""(() => {{
                const each = document.querySelector({json.dumps(selector)});
                each.scrollIntoView({{block: "center"}});
                const box = each.getBoundingClientRect();
                return [box.x, box.y, box.width, box.height];
            }})()"""
        )
        x, y, width, height = found
        return x + width / 2, y + height / 2

    def mouse(self, kind, x, y):
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="none" if kind == "mouseMoved" else "left",
            buttons=0 if kind == "mouseReleased" else 1,
            clickCount=1,
        )

    def click(self, selector):
        x, y = self.place(selector)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def hover(self, selector):
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def drag(self, selector, begin, end):
        """Over an element, from one part of its width to another."""
        self.place(selector)
        x, y, width, height = self.run(
            f"(({{x, y, width, height}}) => [x, y, width, height])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        self.mouse("mousePressed", x + begin * width, y + height / 2)
        self.mouse("mouseMoved", x + end * width, y + height / 2)
        self.mouse("mouseReleased", x + end * width, y + height / 2)

    def key(self, name):
        code = KEYS[name]
        text = {"Enter": "\r", "/": "/"}.get(name)
        more = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                windowsVirtualKeyCode=code,
                **(more if kind == "keyDown" else {}),
            )

    def type(self, selector, text):
        """Replace what an input holds."""
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        if text:
            self.call("Input.insertText", text=text)
        else:
            self.run("document.execCommand('delete')")

    def choose(self, selector, value):
        self.run(
            f"""(() => {{
                const each = document.querySelector({json.dumps(selector)});
                each.value = {json.dumps(value)};
                each.dispatchEvent(new Event("change", {{bubbles: true}}));
            }})()"""
        )

    def size(self, width, height, mobile=False):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def dark(self, yes):
        value = "dark" if yes else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )

    def picture(self, whole=False):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        return base64.b64decode(data)

    def printed(self):
        return base64.b64decode(self.call("Page.printToPDF")["data"])
