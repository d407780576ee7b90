"""A Firestore that misbehaves: a proxy of gRPC calls in front of the emulator.

Calls are passed on as bytes. In front of it is a relay of TCP connections, which can be
reset while calls are under way.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeAlias

import grpc

Fault: TypeAlias = (
    Literal["deadline", "unavailable", "exhausted", "internal", "aborted", "hang", "drop"]
    | Literal["lose", "lose and drop"]
    | None
)
"""What becomes of a call. ``hang`` does nothing and answers when the caller has given up;
``drop`` resets the connection before anything is done; the last two do what is asked for,
and then answer with UNAVAILABLE or reset the connection."""

_HOST = "127.0.0.1"
_STATUS = {
    "deadline": grpc.StatusCode.DEADLINE_EXCEEDED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "internal": grpc.StatusCode.INTERNAL,
    "aborted": grpc.StatusCode.ABORTED,
    "lose": grpc.StatusCode.UNAVAILABLE,
}
_SIZES = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_STREAMS = ("RunQuery", "RunAggregationQuery", "BatchGetDocuments")


class FaultyFirestore(grpc.GenericRpcHandler):
    """Passes on to the emulator at `backend`, ``HOST:PORT``; use `faulty_firestore`."""

    def __init__(self, backend: str) -> None:
        self.faults: deque[Fault] = deque()
        """What becomes of the next calls, in turn; None lets one pass."""
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(backend, options=_SIZES)
        self._server = grpc.server(ThreadPoolExecutor(16), handlers=[self], options=_SIZES)
        self._relay = Relay(self._server.add_insecure_port(f"{_HOST}:0"))
        self.address = f"{_HOST}:{self._relay.port}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._relay.close()
        self._server.stop(None).wait()
        self._channel.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method: str = handler_call_details.method
        metadata = handler_call_details.invocation_metadata
        if method.rpartition("/")[2] in _STREAMS:
            ask: Any = self._channel.unary_stream(method)

            def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
                # Whole, so that a query of several answers is lost or had as one.
                yield from self._answer(
                    method, context, lambda: list(ask(request, metadata=metadata))
                )

            return grpc.unary_stream_rpc_method_handler(stream)
        ask_one: Any = self._channel.unary_unary(method)

        def one(request: bytes, context: grpc.ServicerContext) -> bytes:
            return self._answer(method, context, lambda: [ask_one(request, metadata=metadata)])[0]

        return grpc.unary_unary_rpc_method_handler(one)

    def _answer(
        self, method: str, context: grpc.ServicerContext, ask: Callable[[], list[bytes]]
    ) -> list[bytes]:
        with self._lock:
            self.calls.append(method.rpartition("/")[2])
            fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait(60)
            return []
        if fault == "drop":
            self._relay.drop()
        elif fault in _STATUS and fault != "lose":
            context.abort(_STATUS[fault], f"a fault of the suite: {fault}")
        try:
            answers = ask() if fault != "drop" else []
        except grpc.RpcError as error:
            refused: Any = error  # a grpc.Call as well
            context.set_trailing_metadata(tuple(refused.trailing_metadata() or ()))
            context.abort(refused.code(), refused.details() or "")
        if fault == "lose and drop":
            self._relay.drop()
        if fault == "lose":
            context.abort(_STATUS[fault], "a fault of the suite: the answer is lost")
        return answers


@contextmanager
def faulty_firestore(backend: str) -> Iterator[FaultyFirestore]:
    proxy = FaultyFirestore(backend)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


class Relay:
    """Passes TCP connections on to `target`, a port of this machine, until they are dropped."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((_HOST, 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def drop(self) -> None:
        """Reset every connection."""
        with self._lock:
            dropped, self._open = self._open, set()
        for each in dropped:
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RD)
            each.close()

    def close(self) -> None:
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((_HOST, self._target))
            except OSError:
                return
            with self._lock:
                self._open |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def schedule(chosen: Sequence[tuple[int, Any]]) -> list[Any]:
    """A list of faults, each at its place (from 1), and None before and between."""
    faults: list[Any] = [None] * max(place for place, _ in chosen)
    for place, fault in chosen:
        faults[place - 1] = fault
    return faults
