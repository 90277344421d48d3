"""Messages between the pool and its workers: pickles over a socket, arrays sent as raw bytes."""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

_HEAD = struct.Struct("<II")  # bytes of the pickle, number of arrays
_SIZE = struct.Struct("<Q")


def send(channel: socket.socket, message: object) -> None:
    """Send one message; arrays inside it are not copied on the way to the socket."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    raws = [buffer.raw() for buffer in buffers]
    sizes = b"".join(_SIZE.pack(raw.nbytes) for raw in raws)
    channel.sendall(_HEAD.pack(len(body), len(raws)) + sizes + body)
    for raw in raws:
        channel.sendall(raw)


def receive(channel: socket.socket) -> Any:
    """Receive one message. EOFError when the other side is gone."""
    body_bytes, count = _HEAD.unpack(_exactly(channel, _HEAD.size))
    sizes = [size for (size,) in _SIZE.iter_unpack(_exactly(channel, _SIZE.size * count))]
    body = _exactly(channel, body_bytes)
    return pickle.loads(body, buffers=[_exactly(channel, size) for size in sizes])


def _exactly(channel: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        received = channel.recv_into(view)
        if received == 0:
            raise EOFError
        view = view[received:]
    return data
