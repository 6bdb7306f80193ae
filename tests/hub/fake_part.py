"""A part as the supervisor sees one: `python fake_part.py PORT [ignore-term | exit-at-once | slow]`.

Answers /readyz on its port; ends with 3 where it is told so by GET /crash.
"""

import http.server
import os
import signal
import sys
import time

port, *how = sys.argv[1:]
if "exit-at-once" in how:
    sys.stderr.write("nothing to do\n")
    sys.exit(3)
if "slow" in how:
    time.sleep(0.7)
if "ignore-term" in how:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/crash":
            os._exit(3)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


http.server.HTTPServer(("127.0.0.1", int(port)), Answers).serve_forever()
