"""A web server in a thread that behaves as badly as told, and remembers what it was asked."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def give(
    body, *, etag='"1"', modified=None, ranges=True, cut=None, length=None, ignore_if_range=False
):
    """Answers with ``body``, or with the rest of it that is asked for.

    Args:
        cut: close the connection after so many bytes of the answer.
        length: the Content-Length of a whole answer, if it is to be a wrong one; -1 leaves it out.
        ranges: whether the server knows Range.
        ignore_if_range: give the rest even of another version.
    """

    def answer(request):
        begin, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        same = ignore_if_range or request.headers.get("If-Range") in (None, etag, modified)
        if asked and ranges and same:
            begin, status = int(asked[1]), 206
        if begin and begin >= len(body):
            return fail(416)(request)
        rest = body[begin:]
        request.send_response(status)
        for name, value in (("ETag", etag), ("Last-Modified", modified)):
            if value:
                request.send_header(name, value)
        if status == 206:
            request.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        if length != -1:
            request.send_header("Content-Length", str(len(rest) if length is None else length))
        request.end_headers()
        request.wfile.write(rest[:cut])

    return answer


def fail(status, **headers):
    """Answers with an error, or sends elsewhere."""

    def answer(request):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()

    return answer


def hang_up(request):
    """Closes the connection without an answer."""


class RudeServer:
    """Serves ``answers[path]``: a list of answers, one for each request; the last one stays.

    Attributes:
        asked: the path and the Range of every request, in order.
    """

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.headers = []
        rude = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                rude.asked.append((self.path, self.headers.get("Range")))
                rude.headers.append(dict(self.headers))
                answers = rude.answers.get(self.path, [fail(404)])
                (answers.pop(0) if len(answers) > 1 else answers[0])(self)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def say(self, path, *answers):
        """Answers requests for ``path`` one by one with ``answers``; returns its address."""
        self.answers[path] = list(answers)
        return self.url + path
