"""The client's end of a WebSocket (RFC 6455): no more of it than SIP needs (RFC 7118)."""

import base64
import os
import socket
import ssl

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
READ_LEN = 65536


class Refused(Exception):
    """The handshake was answered by something else than 101; the whole answer."""


class WebSocket:
    """Over a socket that is connected, under TLS or not; messages are text."""

    def __init__(self, raw: socket.socket | ssl.SSLSocket, host: str, headers: dict[str, str] | None = None):
        self.raw = raw
        self.buffer = b""
        asked = {
            "Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": "sip",
            "Origin": "https://phone.example.com", **(headers or {}),
        }  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items() if value)
        raw.sendall(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            if not (read := raw.recv(READ_LEN)):
                break
            self.buffer += read
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 ") or b"Sec-WebSocket-Protocol: sip" not in head:
            raise Refused(head.decode("utf-8", "replace"))

    def send(self, payload: bytes, kind: int = TEXT, parts: int = 1) -> None:
        """One message, in so many fragments."""
        step = max(1, -(-len(payload) // parts))
        pieces = [payload[at : at + step] for at in range(0, len(payload), step)] or [b""]
        for number, piece in enumerate(pieces):
            first = (0x80 if number == len(pieces) - 1 else 0) | (kind if number == 0 else 0)
            mask = os.urandom(4)
            length = len(piece)
            sized = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2)
            masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(piece))
            self.raw.sendall(bytes([first]) + sized + mask + masked)

    def receive(self) -> tuple[int, bytes]:
        """One frame of the server, which does not cut its messages; raises OSError at the end of the connection."""
        first, length = self.take(2)
        if length == 126:
            length = int.from_bytes(self.take(2))
        elif length == 127:
            length = int.from_bytes(self.take(8))
        if not first & 0x80:
            raise OSError("a fragment")
        return first & 0x0F, self.take(length)

    def take(self, count: int) -> bytes:
        """So many bytes."""
        while len(self.buffer) < count:
            if not (read := self.raw.recv(READ_LEN)):
                raise OSError("the connection has ended")
            self.buffer += read
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken
