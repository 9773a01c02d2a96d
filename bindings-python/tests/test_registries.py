"""Who we are at a registry: what a call is given, and whom it asks."""

import asyncio
import base64
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import barque
from barque import aio
from barque.errors import BarqueError

ME = {"username": "me", "password": "secret"}


@contextlib.contextmanager
def registry():
    """One that can be searched by who knows the password; its address."""
    wanted = "Basic " + base64.b64encode(b"me:secret").decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers["Authorization"] == wanted
            body = json.dumps({"results": [{"name": "web", "star_count": 3}]} if known else {}).encode()
            self.send_response(200 if known else 401)
            if not known:
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield "127.0.0.1:%d" % server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_credentials_are_given_or_asked_for(client):
    with registry() as address:
        term, asked = f"{address}/web", []

        def who(name):
            asked.append(name)
            return ME

        for credentials in (ME, who):
            (found,) = client.images.search(term, auth_config=credentials)
            assert (found["name"], found["star_count"]) == ("web", 3)
        assert asked == [term]
        for nobody in (None, lambda name: None):
            with pytest.raises(BarqueError) as failure:
                client.images.search(term, auth_config=nobody)
            assert failure.value.reason == "no_credentials"

        def fails(name):
            raise LookupError(name)

        for call in (client.images.search, client.images.pull, client.images.push):
            with pytest.raises(LookupError):
                call(term, auth_config=fails)


def test_whoever_is_asked_may_do_anything(client):
    with registry() as address:
        term = f"{address}/web"

        def again(name):
            # A call inside a call, and an engine that is closed under its own.
            assert client.ping()
            with barque.from_env() as other:
                other.close()
            return ME

        class Asked:
            def who(self, name):
                return ME

        for who in (again, Asked().who):  # Nothing else holds the second one's object.
            (found,) = client.images.search(term, auth_config=who)
            assert found["name"] == "web"

        class Left(BaseException):
            pass

        for failure in (Left, KeyboardInterrupt, SystemExit, GeneratorExit):

            def fails(name, failure=failure):
                raise failure

            with pytest.raises(failure):
                client.images.search(term, auth_config=fails)
        for wrong in (7, object(), "me:secret", lambda: ME, lambda name: 7, lambda name: {"username": 5}):
            with pytest.raises((TypeError, ValueError, BarqueError)):
                client.images.search(term, auth_config=wrong)
        assert client.images.search(term, auth_config=ME)


def test_credentials_may_be_awaited(client):
    async def work(address):
        async def who(name):
            await asyncio.sleep(0)
            return ME

        async with aio.from_env() as client:
            for credentials in (ME, who, lambda name: ME):
                (found,) = await client.images.search(f"{address}/web", auth_config=credentials)
                assert found["name"] == "web"

    with registry() as address:
        asyncio.run(work(address))
