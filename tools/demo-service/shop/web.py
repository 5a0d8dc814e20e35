# SPDX-License-Identifier: BSD-2-Clause
"""The shop's pages."""
import http.server
import socketserver

from shop import images, orders, sessions


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        session = sessions.remember(self.headers.get("Cookie", "visitor=unknown"))
        sessions.note_page(session, self.path)
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "image":
            body, content_type = images.render(name), "image/png"
        elif kind == "order":
            body, content_type = b"%d euro" % orders.place(session, "article " + name), "text/plain"
        else:
            body, content_type = self.page(kind, name), "text/plain"
        self.answer(body, content_type)

    def page(self, kind, name):
        # garbage that is freed in time: it must not show up in the report
        words = ["%s %s %d" % (kind, name, n) for n in range(100)]
        return " ".join(words).encode()

    def answer(self, body, content_type):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass
