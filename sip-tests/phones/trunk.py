"""A gateway that calls without SDP: the offer comes in the 200, the answer goes in the ACK."""

import re
import select
import socket
import time

SIP_PORT = 5080
RTP_PORT = 40000
ANSWER_WAIT_S = 10.0
MESSAGE_LEN_MAX = 65535


class TrunkError(Exception):
    """The call did not come to what it should."""


class Trunk:
    """One call at a time, over UDP."""

    def __init__(self, address: str, proxy: str):
        self.address = address
        self.proxy = (proxy, 5060)
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind((address, SIP_PORT))
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((address, RTP_PORT))
        self.dn = ""
        self.ok = ""

    def request(self, method: str, cseq: int, body: str = "") -> None:
        """Sends a request of the call: inside its dialog as soon as there is one."""
        uri, route, to_tag = f"sip:{self.dn}@{self.proxy[0]}", "", ""
        if self.ok:
            uri = re.search(r"^Contact:.*<([^>]+)>", self.ok, re.M)[1]
            routes = re.findall(r"<[^>]+>", "".join(re.findall(r"^Record-Route:(.*)", self.ok, re.M)))
            route = "".join(f"Route: {one}\r\n" for one in reversed(routes))
            to_tag = re.search(r"^To:.*(;tag=[^;\s]+)", self.ok, re.M)[1]
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.address}:{SIP_PORT};branch=z9hG4bK-late-{method}\r\n{route}"
            f"From: <sip:0012345678@{self.address}>;tag=late\r\n"
            f"To: <sip:{self.dn}@{self.proxy[0]}>{to_tag}\r\n"
            f"Call-ID: late-offer@{self.address}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:gateway@{self.address}:{SIP_PORT}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.sip.sendto(text.encode(), self.proxy)

    def invite(self, dn: str) -> None:
        """Calls a phone, without SDP."""
        self.dn = dn
        self.request("INVITE", 1)

    def response(self, pattern: str) -> str:
        """The first response that fits; OPTIONS and repetitions of others are passed over."""
        until = time.monotonic() + ANSWER_WAIT_S
        heard = []
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self.sip], [], [], left)
            for one in ready:
                text = one.recv(MESSAGE_LEN_MAX).decode("utf-8", "replace")
                if re.search(pattern, text, re.S):
                    return text
                heard.append(text.split("\r\n", 1)[0])
        raise TrunkError(f"the trunk heard no {pattern}, only {heard}")

    def answered(self) -> str:
        """SDP of the 200."""
        self.ok = self.response(r"^SIP/2.0 200 .*CSeq: 1 INVITE")
        return self.ok.partition("\r\n\r\n")[2]

    def acknowledge(self) -> None:
        """ACK with an answer that takes the first codec offered."""
        host = self.address
        body = (
            f"v=0\r\no=gateway 1 1 IN IP4 {host}\r\ns=late\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {RTP_PORT} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )
        self.request("ACK", 1, body)

    def rtp_during(self, seconds: float) -> int:
        """RTP packets that arrive from now on."""
        count = 0
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.rtp], [], [], left)[0]:
                count += self.rtp.recv(MESSAGE_LEN_MAX)[0] >> 6 == 2
        return count

    def bye(self) -> None:
        """Hangs up."""
        self.request("BYE", 2)
        self.response(r"^SIP/2.0 200 .*CSeq: 2 BYE")

    def stop(self) -> None:
        """Closes its sockets."""
        self.sip.close()
        self.rtp.close()
