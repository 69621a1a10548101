"""Calls between two phones, as clients see them: `tlib.md` 6.1, 6.2 and 6.5."""

import time

from client import Client, Event
from cluster import CUSTOMER_PORT, OUTSIDE
from desk import Checks, Desk, register
from phone import ADDRESS
from talk import DESCRIPTION, Talking

ORIGINATION, DESTINATION = "DNRoleOrigination", "DNRoleDestination"


def talking(desk: Desk) -> Talking:
    """A registered phone that can call."""
    phone = Talking(desk.dn())
    desk.phones.append(phone)
    phone.register()
    return phone


def outside(desk: Desk) -> Talking:
    """Somebody behind the trunk, who does not register."""
    phone = Talking(f"{OUTSIDE}777", CUSTOMER_PORT)
    desk.phones.append(phone)
    return phone


def told(client: Client, *names: str) -> list[Event]:
    """These events, which must be the next of the client."""
    return [client.wait(name) for name in names]


def pair(desk: Desk) -> tuple[Talking, Talking, Client, Client]:
    """Two phones, and a client for each; the second client has a watcher's rights."""
    one, other = talking(desk), talking(desk)
    return one, other, desk.registered(one.dn), desk.registered(other.dn, "watcher")


def basic(checks: Checks, desk: Desk) -> None:
    """Dialing and Ringing, Established on both sides, Released on both sides."""
    one, other, caller, called = pair(desk)
    one.invite(other.dn)
    invite = other.ring()
    ringing = called.wait("EventRinging")
    checks.event(
        ringing, "the called phone rings", "EventRinging", ThisDN=other.dn, ThisDNRole=DESTINATION, OtherDN=one.dn,
        OtherDNRole=ORIGINATION, CallType="CallTypeInternal", CallState="CallStateOk", DNIS=other.dn,
    )  # fmt: skip
    dialing = caller.wait("EventDialing")
    checks.event(
        dialing, "the caller dials", "EventDialing", ThisDN=one.dn, ThisDNRole=ORIGINATION, OtherDN=other.dn,
        OtherDNRole=DESTINATION, ConnID=ringing.get("ConnID"), CallUUID=ringing.get("CallUUID"),
    )  # fmt: skip
    checks.see(dialing.seq < ringing.seq, "dialing comes first", f"{dialing.seq} {ringing.seq}")
    late = desk.client("late")
    view = register(late, other.dn)
    shown = dict(view.get("Extensions")).get("Calls")
    checks.event(view, "who comes later sees it ringing", "EventRegistered", AddressStatus="AddressStatusRinging")
    checks.see(bool(shown) and int(shown[0][0], 16) == ringing.get("ConnID"), "and finds the call", shown)
    other.answer(invite)
    one.answered()
    for client, dn, peer in ((caller, one.dn, other.dn), (called, other.dn, one.dn), (late, other.dn, one.dn)):
        event = client.wait("EventEstablished")
        checks.event(event, f"{dn} talks", "EventEstablished", ThisDN=dn, OtherDN=peer, ConnID=ringing.get("ConnID"))
    one.bye()
    other.hung_up()
    for client, dn in ((caller, one.dn), (called, other.dn), (late, other.dn)):
        event = client.wait("EventReleased")
        checks.event(event, f"{dn} is released", "EventReleased", ThisDN=dn, CallState="CallStateOk")
    event = late.ask("TQueryAddress", ThisDN=other.dn, AddressInfoType="AddressInfoAddressStatus")
    checks.event(event, "the DN is idle again", "EventAddressInfo", AddressStatus="AddressStatusIdle")
    checks.quiet("nothing more comes", caller, called, late)


def interrupted(checks: Checks, desk: Desk) -> None:
    """Busy, given up while it rings, declined."""
    one, other, caller, called = pair(desk)
    one.invite(other.dn)
    other.respond(other.expect("INVITE"), 486)
    other.expect("ACK")
    one.refused(486)
    for name, state in (("EventDialing", None), ("EventDestinationBusy", "CallStateBusy"), ("EventReleased", "CallStateBusy")):
        event = caller.wait(name)
        checks.event(event, f"busy: {name}", name, **({"CallState": state} if state else {}))
    checks.quiet("a busy phone has not rung", called)

    one.invite(other.dn)
    invite = other.ring()
    called.wait("EventRinging")
    one.expect("180 INVITE")
    one.request("CANCEL")
    other.respond(other.expect("CANCEL"), 200)
    other.respond(invite, 487)
    other.expect("ACK")
    one.refused(487)
    checks.event(called.wait("EventAbandoned"), "given up: abandoned", "EventAbandoned", CallState="CallStateOk")
    caller.wait("EventDialing")
    checks.event(caller.wait("EventReleased"), "and the caller released", "EventReleased", CallState="CallStateOk")
    checks.quiet("nothing more comes", caller, called)


def directed(direction: str, version: int) -> str:
    """A description whose media go that way."""
    return DESCRIPTION.replace("o=- 1 1", f"o=- 1 {version}") + f"a={direction}\r\n"


def hold(checks: Checks, desk: Desk) -> None:
    """Held and Retrieved at who holds, by what its phone says of its media; nothing at who is held."""
    one, other, caller, called = pair(desk)
    one.invite(other.dn)
    other.answer(other.ring())
    one.answered()
    told(caller, "EventDialing", "EventEstablished")
    conn_id = told(called, "EventRinging", "EventEstablished")[1].get("ConnID")

    other.change(directed("sendonly", 2))
    offered = one.accept(directed("recvonly", 2))
    checks.see("a=sendonly" in offered.body, "the other phone hears of it", offered.body)
    other.changed()
    event = called.wait("EventHeld")
    checks.event(
        event, "who holds", "EventHeld", ThisDN=other.dn, OtherDN=one.dn, ThisDNRole=DESTINATION, ConnID=conn_id
    )
    event = called.ask("TQueryAddress", ThisDN=other.dn, AddressInfoType="AddressInfoAddressStatus")
    checks.event(event, "its DN", "EventAddressInfo", AddressStatus="AddressStatusHeld")
    event = caller.ask("TQueryAddress", ThisDN=one.dn, AddressInfoType="AddressInfoAddressStatus")
    checks.event(event, "the other's DN", "EventAddressInfo", AddressStatus="AddressStatusTalking")

    other.change(directed("sendonly", 2))
    one.accept(directed("recvonly", 2))
    other.changed()
    one.change(directed("recvonly", 3))
    other.accept(directed("sendonly", 3))
    one.changed()
    checks.quiet("who says it again tells nothing new", caller, called)

    other.change(DESCRIPTION)
    other_way = one.expect("INVITE")
    one.respond(other_way, 488)
    one.expect("ACK")
    other.changed(488)
    checks.quiet("a change that is refused changes nothing", caller, called)

    other.change(DESCRIPTION)
    one.accept(DESCRIPTION)
    other.changed()
    event = called.wait("EventRetrieved")
    checks.event(event, "who takes it back", "EventRetrieved", ThisDN=other.dn, CallState="CallStateOk", ConnID=conn_id)

    # As phones of the time before RFC 3264 say it; and the end of a call on hold.
    one.change(DESCRIPTION.replace(f"c=IN IP4 {ADDRESS}", "c=IN IP4 0.0.0.0"))
    other.accept(DESCRIPTION)
    one.changed()
    checks.event(caller.wait("EventHeld"), "the caller holds", "EventHeld", ThisDN=one.dn, ThisDNRole=ORIGINATION)
    late = desk.client("late")
    view = register(late, one.dn)
    checks.event(view, "who comes later sees it", "EventRegistered", AddressStatus="AddressStatusHeld")
    other.bye()
    one.hung_up()
    checks.event(caller.wait("EventReleased"), "released", "EventReleased", ThisDN=one.dn, CallState="CallStateOk")
    checks.event(called.wait("EventReleased"), "released", "EventReleased", ThisDN=other.dn, CallState="CallStateOk")
    late.wait("EventReleased")
    checks.quiet("nothing more comes", caller, called, late)


def release(checks: Checks, desk: Desk) -> None:
    """TReleaseCall while it rings, by who is called and by who calls, and while they talk."""
    one, other, caller, called = pair(desk)
    for client, dn, status in ((called, other.dn, 603), (caller, one.dn, 487)):
        one.invite(other.dn)
        invite = other.ring()
        conn_id = called.wait("EventRinging").get("ConnID")
        caller.wait("EventDialing")
        event = client.ask("TReleaseCall", ThisDN=dn, ConnID=conn_id)
        checks.event(event, f"{dn} releases what rings", "EventReleased", ThisDN=dn, ConnID=conn_id)
        other.respond(other.expect("CANCEL"), 200)
        other.respond(invite, 487)
        other.expect("ACK")
        one.refused(status)
        checks.see(True, f"the caller hears {status}")
        caller.drain()
        called.drain()
    one.invite(other.dn)
    other.answer(other.ring())
    one.answered()
    told(caller, "EventDialing", "EventEstablished")
    conn_id = told(called, "EventRinging", "EventEstablished")[1].get("ConnID")
    event = called.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id + 1)
    checks.error(event, "another call", "ErrorInvalidConnID")
    event = called.ask("TReleaseCall", ThisDN=other.dn)
    checks.error(event, "no call", "ErrorInvalidAttribute")
    event = called.ask("TReleaseCall", ThisDN=other.dn, ConnID=conn_id)
    checks.event(event, "while they talk", "EventReleased", ThisDN=other.dn, CallState="CallStateOk")
    one.hung_up()
    other.hung_up()
    checks.event(caller.wait("EventReleased"), "the other side", "EventReleased", ThisDN=one.dn, ConnID=conn_id)
    checks.quiet("nothing more comes", caller, called)


def agent(checks: Checks, desk: Desk) -> None:
    """An agent cannot log in during a call, and can afterwards."""
    one, other, caller, called = pair(desk)
    desktop, who = desk.registered(other.dn), desk.agent()
    one.invite(other.dn)
    other.answer(other.ring())
    one.answered()
    desktop.wait("EventEstablished")
    event = desktop.ask("TAgentLogin", ThisDN=other.dn, AgentID=who)
    checks.error(event, "login during a call", "ErrorWrongState")
    one.bye()
    other.hung_up()
    desktop.wait("EventReleased")
    event = desktop.ask("TAgentLogin", ThisDN=other.dn, AgentID=who)
    checks.event(event, "login after it", "EventAgentLogin")
    told(caller, "EventDialing", "EventEstablished", "EventReleased")
    told(called, "EventRinging", "EventEstablished", "EventReleased", "EventAgentLogin", "EventAgentNotReady")
    checks.quiet("nothing more comes", caller, called)


def no_answer(checks: Checks, desk: Desk) -> None:
    """An agent who does not answer goes not ready, and the call is given up."""
    one, other, caller, called = pair(desk)
    desktop, agent = desk.registered(other.dn), desk.agent()
    desktop.ask("TAgentLogin", ThisDN=other.dn, AgentID=agent)
    desktop.ask("TAgentSetReady", ThisDN=other.dn)
    called.until("EventAgentReady")
    one.invite(other.dn)
    invite = other.ring()
    called.wait("EventRinging")
    begun = time.monotonic()
    event = called.wait("EventAgentNotReady")
    checks.event(event, "first the agent", "EventAgentNotReady", ThisDN=other.dn, AgentID=agent)
    passed = time.monotonic() - begun
    checks.see(0.9 <= passed <= 2, "after agent-no-answer-timeout", passed)
    other.respond(other.expect("CANCEL"), 200)
    other.respond(invite, 487)
    other.expect("ACK")
    one.refused(480)
    event = called.wait("EventReleased")
    checks.event(event, "then the call", "EventReleased", ThisDN=other.dn, CallState="CallStateNoAnswer")
    event = caller.until("EventReleased")[-1]
    checks.event(event, "for the caller too", "EventReleased", ThisDN=one.dn, CallState="CallStateNoAnswer")
    one.invite(other.dn)
    other.answer(other.ring())
    one.answered()
    called.until("EventEstablished")
    checks.quiet("who answers is left alone", called)
    one.bye()
    other.hung_up()


SCENES = (("basic call", basic), ("interrupted calls", interrupted), ("hold and retrieve", hold), ("release", release), ("agents and calls", agent))
#: Of the options of the start that it is played in.
SCENES_OF_OPTIONS = (
    (
        {"agent-no-answer-timeout": "1", "agent-no-answer-action": "notready", "agent-no-answer-overflow": "[recall, release]",
         "nas-private": "true", "extn-no-answer-timeout": "1"},
        (("agent does not answer", no_answer),),
    ),
)  # fmt: skip
