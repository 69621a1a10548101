"""The SBC's ears between calls: answers OPTIONS at the trunk's address so that the trunk stays in service."""

import select
import socket
import threading

from .plan import ROLES

MAX_MESSAGE_BYTES = 65535
BIND_TRIES = 50
BIND_WAIT_S = 0.1


def ok_to(request: str) -> str | None:
    """A 200 for an OPTIONS, None for anything else (the ACK of an earlier call, say)."""
    if not request.startswith("OPTIONS "):
        return None
    kept = []
    for line in request.split("\r\n\r\n")[0].split("\r\n")[1:]:
        name = line.split(":")[0].strip().lower()
        if name in ("to", "t"):
            kept.append(line + ";tag=sbc")
        elif name in ("via", "v", "from", "f", "call-id", "i", "cseq"):
            kept.append(line)
    return "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])


class TrunkKeepAlive:
    """A thread with the trunk's UDP and TCP port open; closed while a SIPp actor plays the SBC."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.ending = threading.Event()

    def open(self) -> None:
        """Takes the ports, if it has not got them."""
        if self.thread is None:
            self.ending.clear()
            udp, tcp = self.sockets()
            self.thread = threading.Thread(target=self.serve, args=(udp, tcp), daemon=True)
            self.thread.start()

    def close(self) -> None:
        """Gives the ports up; returns when they are free."""
        if self.thread is not None:
            self.ending.set()
            self.thread.join()
            self.thread = None

    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """Both ports; an actor that has just ended may hold them a moment longer."""
        for attempt in range(BIND_TRIES):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind(ROLES["sbc"])
                tcp.bind(ROLES["sbc"])
                tcp.listen()
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()
                if attempt == BIND_TRIES - 1:
                    raise
                self.ending.wait(BIND_WAIT_S)
        raise OSError("unreachable")

    def serve(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Until `ending`: one read per ready socket, an answer where one is due."""
        streams: list[socket.socket] = []
        while not self.ending.is_set():
            ready, _, _ = select.select([udp, tcp, *streams], [], [], 0.05)
            for one in ready:
                if one is udp:
                    data, peer = udp.recvfrom(MAX_MESSAGE_BYTES)
                    if answer := ok_to(data.decode("utf-8", "replace")):
                        udp.sendto(answer.encode(), peer)
                elif one is tcp:
                    streams.append(tcp.accept()[0])
                elif not self.serve_stream(one):
                    streams.remove(one)
        for one in (udp, tcp, *streams):
            one.close()

    def serve_stream(self, stream: socket.socket) -> bool:
        """Answers what one read brings; False when the stream has ended."""
        try:
            data = stream.recv(MAX_MESSAGE_BYTES)
            if data and (answer := ok_to(data.decode("utf-8", "replace"))):
                stream.sendall(answer.encode())
        except OSError:
            data = b""
        if not data:
            stream.close()
        return bool(data)
