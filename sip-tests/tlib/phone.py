"""A phone that only registers: REGISTER without digest over UDP, at the SIP Proxy."""

import re
import secrets
import select
import socket
import time

PROXY = ("127.0.0.1", 5060)
ADDRESS = "127.0.0.20"
ANSWER_WAIT_S = 10.0
REPEAT_S = 0.5
MESSAGE_LEN_MAX = 65535


class PhoneError(Exception):
    """The registration did not come to what it should."""


class Phone:
    """One DN at a port of its own."""

    def __init__(self, dn: str, port: int = 0):
        self.dn = dn
        self.proxy = PROXY
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, port))
        self.port = self.socket.getsockname()[1]
        self.call_id = secrets.token_hex(8)
        self.cseq = 0

    def register(self, expires: int = 600) -> None:
        """Registers for so many seconds. A cluster that has just started says 503 for a while: it is asked again."""
        until = time.monotonic() + ANSWER_WAIT_S
        while (status := self.ask(expires, until)) != 200:
            if status not in (480, 500, 503) or time.monotonic() > until:
                raise PhoneError(f"{self.dn}: REGISTER with Expires {expires} is answered by {status}")
            time.sleep(0.2)

    def unregister(self) -> None:
        """Takes the binding back."""
        self.register(0)

    def ask(self, expires: int, until: float) -> int:
        """One REGISTER, repeated as UDP needs it; the status of its final response."""
        self.cseq += 1
        contact = f"<sip:{self.dn}@{ADDRESS}:{self.port}>"
        address = f"<sip:{self.dn}@{self.proxy[0]}>"
        text = (
            f"REGISTER sip:{self.proxy[0]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {ADDRESS}:{self.port};branch=z9hG4bK{self.call_id}{self.cseq}\r\n"
            f"From: {address};tag={self.call_id}\r\nTo: {address}\r\n"
            f"Call-ID: {self.call_id}@{ADDRESS}\r\nCSeq: {self.cseq} REGISTER\r\nMax-Forwards: 70\r\n"
            f"Contact: {contact}\r\nExpires: {expires}\r\nContent-Length: 0\r\n\r\n"
        )
        while time.monotonic() < until:
            self.socket.sendto(text.encode(), self.proxy)
            repeat = time.monotonic() + REPEAT_S
            while (left := repeat - time.monotonic()) > 0:
                if not select.select([self.socket], [], [], left)[0]:
                    break
                answer = self.socket.recv(MESSAGE_LEN_MAX).decode("utf-8", "replace")
                status = re.match(r"SIP/2\.0 ([0-9]{3}) ", answer)
                is_ours = re.search(rf"^CSeq:\s*{self.cseq}\s+REGISTER", answer, re.M | re.I)
                if status and is_ours and int(status[1]) >= 200:
                    return int(status[1])
        raise PhoneError(f"{self.dn}: nobody answers REGISTER with Expires {expires}")

    def close(self) -> None:
        """Closes its socket; the binding stays as long as it lasts."""
        self.socket.close()
