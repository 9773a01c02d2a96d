"""Runs scenario steps through the Python package: the protocol is described in tests/src/faces/driver.rs."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO

import barque
from barque.errors import APIError

SOURCE: BinaryIO = sys.stdin.buffer
SINK: BinaryIO = sys.stdout.buffer


def frame(kind: str, data: bytes) -> None:
    SINK.write(f"{kind} {len(data)}\n".encode() + data)


def error_document(error: BaseException) -> dict[str, Any]:
    """The error document, put together again from what the exception shows its catcher."""
    if not isinstance(error, APIError):
        return {"kind": "driver", "message": f"{type(error).__name__}: {error}"}
    subject = error.object
    return {
        "kind": error.kind,
        "code": error.code,
        "status": error.status_code,
        "reason": error.reason,
        "subject": {"type": subject[0], "id": subject[1]} if subject else None,
        "message": error.explanation,
        "causes": error.causes,
        "errno": error.errno,
    }


class Driver:
    """One client and its open streams."""

    def __init__(self) -> None:
        self.client: Any = None
        self.streams: dict[str, Any] = {}

    def open(self, _id: str, _operation: str, data: bytes) -> Any:
        self.client = barque.Client(root=data.decode())

    def call(self, _id: str, operation: str, data: bytes) -> Any:
        method = getattr(self.client.api, operation.replace(".", "_"))
        request = json.loads(data or b"{}")
        if operation == "container.connect":
            timeout = request.pop("TimeoutMs", 0) / 1000
            with self.client.containers.get(request["Id"]).connect(request["Port"], timeout) as heard:
                return {"Heard": heard.makefile().read()}
        return method(request) if request else method()

    def begin(self, id: str, operation: str, data: bytes) -> Any:
        method = getattr(self.client.api, operation.replace(".", "_"))
        self.streams[id] = method(json.loads(data or b"{}"))

    def input(self, id: str, _operation: str, data: bytes) -> Any:
        stream = self.streams[id]
        if data:
            stream.write(data)
        else:
            stream.close_stdin()

    def cancel(self, id: str, _operation: str, _data: bytes) -> Any:
        self.streams[id].close()

    def end(self, id: str, _operation: str, _data: bytes) -> Any:
        with self.streams.pop(id) as stream:
            if isinstance(stream, barque.Progress):
                for line in stream:
                    frame("document", json.dumps(line).encode())
                frame("document", json.dumps(stream.result).encode())
                return
            if isinstance(stream, barque.DocumentStream):
                for document in stream:
                    frame("document", json.dumps(document).encode())
                return
            for chunk in stream:
                frame(chunk.stream, chunk.data)
            if stream.exit is not None:
                frame("document", json.dumps(stream.exit).encode())

    def close(self, _id: str, _operation: str, _data: bytes) -> Any:
        for stream in self.streams.values():
            stream.close()
        self.client.close()


def main() -> None:
    driver = Driver()
    while head := SOURCE.readline().split():
        verb, id, operation, length = (word.decode() for word in head)
        data = SOURCE.read(int(length))
        try:
            answer = getattr(driver, verb)(id, operation, data)
        except Exception as error:  # whatever it is, the suite must hear of it
            frame("error", json.dumps(error_document(error)).encode())
        else:
            frame("ok", json.dumps({} if answer is None else answer).encode())
        SINK.flush()
        if verb == "close":
            return


if __name__ == "__main__":
    main()
