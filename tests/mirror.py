# A mirror that is 50 ms away, for forward.bats: a new connection takes two ways,
# an answer one.  Prints its port, and a line for each connection and request.

import http.server
import time


class Mirror(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        made = super().get_request()
        time.sleep(0.1)
        print("connection", flush=True)
        return made


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        time.sleep(0.05)
        print("request", flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


mirror = Mirror(("127.0.0.1", 0), Handler)
print("port", mirror.server_port, flush=True)
mirror.serve_forever()
