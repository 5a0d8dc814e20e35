# SPDX-License-Identifier: BSD-2-Clause
"""A service for JSON on the loopback, and a client that asks it again and again."""
import http.client
import http.server
import json
import threading

import service


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(service.work(len(self.path))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *what):
        pass


def main():
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for n in service.turns(60):
        client = http.client.HTTPConnection(*server.server_address)
        client.request("GET", "/page/%d" % n)
        json.loads(client.getresponse().read().decode())
        client.close()


if __name__ == "__main__":
    main()
