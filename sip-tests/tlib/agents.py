"""Agents: login, states, reasons, after-call work, logout, and what the options of the node change."""

import re
import time

from client import Client, Event, Silence, of_key
from cluster import PASSWORD, WITH_PASSWORD
from desk import Checks, Desk, reasons, reasons_of, register

SESSION_ID = re.compile(r"[0-9A-V]{32}")
LOGGED_OUT, READY, NOT_READY, AFTER_CALL_WORK = 0, 2, 3, 4
MANUAL_IN, AUTO_IN = "AgentWorkModeManualIn", "AgentWorkModeAutoIn"
AUX_WORK, ACW = "AgentWorkModeAuxWork", "AgentWorkModeAfterCallWork"
#: Of the configurations that set it, and when its end has been seen.
WRAP_UP_S = 1
WRAPPED_UP_S = (0.8, 2.5)


def login(desk: Desk, dn: str, agent: str, **attributes: object) -> tuple[Client, Event]:
    """A client that has logged an agent in, with the event that tells the first state."""
    client = desk.registered(dn)
    event = client.ask("TAgentLogin", ThisDN=dn, AgentID=agent, **attributes)
    if event.name != "EventAgentLogin":
        raise Silence(f"no EventAgentLogin for {agent} but {event}")
    return client, state_of(client)


def state_of(client: Client) -> Event:
    """The next event of an agent's state."""
    kinds = ("EventAgentReady", "EventAgentNotReady")
    return client.take(lambda event: event.name in kinds, "event of an agent's state")


def shown(desk: Desk, dn: str) -> tuple[object, object, object]:
    """AgentStatus, AgentID and AgentWorkMode as a client sees them that registers now."""
    event = register(desk.client("late"), dn)
    return of_key(event.get("Extensions"), "AgentStatus"), event.get("AgentID"), event.get("AgentWorkMode")


def refused_logins(checks: Checks, desk: Desk) -> None:
    """Logins that lack something."""
    dn, agent = desk.dn(), desk.agent()
    client = desk.registered(dn)
    event = client.ask("TAgentLogin", ThisDN=dn, AgentID=agent)
    checks.error(event, "a login at a DN whose phone is not there", "ErrorOutOfService")
    phone = desk.phone()
    register(client, phone.dn)
    for what, code, attributes in (
        ("an agent whom nobody knows", "ErrorInvalidAgentID", {"AgentID": "nobody"}),
        ("a wrong password", "ErrorBadPassword", {"AgentID": WITH_PASSWORD, "Password": "wrong"}),
        ("a missing password", "ErrorBadPassword", {"AgentID": WITH_PASSWORD}),
        ("an empty password", "ErrorBadPassword", {"AgentID": WITH_PASSWORD, "Password": ""}),
    ):
        event = client.ask("TAgentLogin", ThisDN=phone.dn, **attributes)
        checks.error(event, f"a login with {what}", code)
        checks.see(event.get("ThisDN") == phone.dn, f"{what}: EventError has the ThisDN", event)
    for kind in ("TAgentSetReady", "TAgentSetNotReady", "TAgentLogout"):
        checks.error(client.ask(kind, ThisDN=phone.dn), f"{kind} without login", "ErrorAgentLoggedOff")
    checks.quiet("none of it is an event", client)
    checks.see(shown(desk, phone.dn)[:2] == (LOGGED_OUT, None), "nobody is logged in")
    event = client.ask("TAgentLogin", ThisDN=phone.dn, AgentID=WITH_PASSWORD, Password=PASSWORD)
    checks.event(event, "a login with the right password", "EventAgentLogin", AgentID=WITH_PASSWORD)
    checks.see("Password" not in event.attributes, "the password does not come back", event)


def session(checks: Checks, desk: Desk) -> None:
    """Login, states and logout of one session as the asker and others hear them, and the next session."""
    phone, agent = desk.phone(), desk.agent()
    dn = phone.dn
    asker, watcher = desk.registered(dn), desk.registered(dn, "watcher")
    monitor = desk.registered(dn, "monitor", RegisterMode="RegisterModeMonitor")
    heard = []

    def step(kind: str, *names: str, **attributes: object) -> list[Event]:
        """A request and its events, the first one as its answer; others hear the same."""
        answer = asker.ask(kind, ThisDN=dn, **attributes)
        mine = [answer, *(asker.wait(name) for name in names[1:])]
        told = " and ".join(names)
        checks.see([event.name for event in mine] == list(names), f"{kind} brings {told}", "; ".join(map(str, mine)))
        checks.see([event.reference for event in mine[1:]] == [0] * (len(names) - 1), f"{kind}: one ReferenceID")
        seqs = [event.seq for event in mine]
        checks.see(seqs[0] > 0 and seqs == sorted(set(seqs)), f"{kind}: Seq rises", seqs)
        for who, other in (("a watcher", watcher), ("a monitor", monitor)):
            theirs = [other.wait(name) for name in names]
            pairs = zip(theirs, mine)
            same = all((one.seq, one.attributes) == (event.seq, event.attributes) for one, event in pairs)
            without = not any(event.reference for event in theirs)
            checks.see(same and without, f"{kind}: {who} hears the same", "; ".join(map(str, theirs)))
        for event in mine:
            good = event.fits(event.name, {"ThisDN": dn, "AgentID": agent})
            good = good and bool(SESSION_ID.fullmatch(str(event.get("AgentSessionID"))))
            checks.see(good, f"{event.name} has ThisDN, AgentID and AgentSessionID", event)
        heard.extend(mine)
        return mine

    events = step("TAgentLogin", "EventAgentLogin", "EventAgentNotReady", AgentID=agent)
    checks.see(all(reasons_of(event) == reasons() for event in events), "they have the reason `site`", events)
    event = step("TAgentSetReady", "EventAgentReady", AgentWorkMode=AUTO_IN, Reasons=[("mood", "fine")])[0]
    checks.see(event.get("AgentWorkMode") == AUTO_IN, "the work mode comes back", event)
    checks.see(reasons_of(event) == reasons(("mood", "fine")), "reasons come back beside `site`", event)
    event = asker.ask("TAgentSetReady", ThisDN=dn, AgentWorkMode=AUTO_IN, Reasons=[("mood", "fine")])
    checks.error(event, "ready in the same work mode", "ErrorAlreadyInState")
    event = step("TAgentSetReady", "EventAgentReady", AgentWorkMode=MANUAL_IN)[0]
    checks.see(event.get("AgentWorkMode") == MANUAL_IN, "ready in another work mode", event)
    event = step("TAgentSetNotReady", "EventAgentNotReady", AgentWorkMode=AUX_WORK, Reasons=[("why", "lunch")])[0]
    checks.see(event.get("AgentWorkMode") == AUX_WORK, "not ready has its work mode", event)
    checks.see(reasons_of(event) == reasons(("why", "lunch")), "and its reasons beside `site`", event)
    event = step("TAgentSetNotReady", "EventAgentNotReady", AgentWorkMode=AUX_WORK, Reasons=[("why", "tea")])[0]
    checks.see(reasons_of(event) == reasons(("why", "tea")), "not ready with other reasons is an event", event)
    event = step("TAgentSetNotReady", "EventAgentNotReady", AgentWorkMode="AgentWorkModeWalkAway")[0]
    checks.see(event.get("AgentWorkMode") == "AgentWorkModeWalkAway", "in another work mode too", event)
    checks.quiet("each of them comes once", asker, watcher, monitor)
    event = step("TAgentLogout", "EventAgentLogout")[0]
    ids = {event.get("AgentSessionID") for event in heard}
    checks.see(len(ids) == 1, "AgentSessionID is one for the whole session", ids)
    checks.error(asker.ask("TAgentLogout", ThisDN=dn), "logout again", "ErrorAgentLoggedOff")
    event = step("TAgentLogin", "EventAgentLogin", "EventAgentNotReady", AgentID=agent)[0]
    checks.see(event.get("AgentSessionID") not in ids, "the next session has another AgentSessionID", event)
    checks.quiet("nothing else comes", asker, watcher, monitor)


def occupied(checks: Checks, desk: Desk) -> None:
    """One agent at a DN, one DN for an agent."""
    here, there, agent, other = desk.phone().dn, desk.phone().dn, desk.agent(), desk.agent()
    client, _ = login(desk, here, agent)
    register(client, there)
    event = client.ask("TAgentLogin", ThisDN=here, AgentID=agent)
    checks.error(event, "the same agent again", "ErrorAlreadyInState")
    event = client.ask("TAgentLogin", ThisDN=here, AgentID=other)
    checks.error(event, "another agent at the DN", "ErrorResourceSeized")
    event = client.ask("TAgentLogin", ThisDN=there, AgentID=agent)
    checks.error(event, "the agent at another DN", "ErrorResourceSeized")
    checks.quiet("none of it is an event", client)
    client.ask("TAgentLogout", ThisDN=here)
    event = client.ask("TAgentLogin", ThisDN=there, AgentID=agent)
    checks.event(event, "the agent at another DN after logout", "EventAgentLogin", ThisDN=there, AgentID=agent)
    event = client.ask("TAgentLogin", ThisDN=here, AgentID=other)
    checks.event(event, "another agent at the DN that is free", "EventAgentLogin", ThisDN=here, AgentID=other)


def late_client(checks: Checks, desk: Desk) -> None:
    """EventRegistered shows who comes later how the agent is."""
    dn, agent = desk.phone().dn, desk.agent()
    checks.see(shown(desk, dn) == (LOGGED_OUT, None, None), "before login", shown(desk, dn))
    client, event = login(desk, dn, agent)
    registered = register(desk.client("late"), dn)
    same = registered.get("AgentSessionID") == event.get("AgentSessionID") is not None
    checks.see(same, "EventRegistered has the AgentSessionID", registered)
    checks.see(shown(desk, dn)[:2] == (NOT_READY, agent), "after login", shown(desk, dn))
    for kind, mode, status in (
        ("TAgentSetReady", AUTO_IN, READY),
        ("TAgentSetNotReady", AUX_WORK, NOT_READY),
    ):
        client.ask(kind, ThisDN=dn, AgentWorkMode=mode)
        seen = shown(desk, dn)
        checks.see(seen == (status, agent, mode), f"after {kind} with {mode}", seen)
    client.ask("TAgentLogout", ThisDN=dn)
    checks.see(shown(desk, dn) == (LOGGED_OUT, None, None), "after logout", shown(desk, dn))


def logout_on_disconnect(checks: Checks, desk: Desk) -> None:
    """The agent is logged out when the client goes that has logged in."""
    dn, agent = desk.phone().dn, desk.agent()
    watcher = desk.registered(dn, "watcher")
    client, event = login(desk, dn, agent)
    other = desk.registered(dn)
    other.ask("TAgentSetReady", ThisDN=dn)
    for name in ("EventAgentLogin", "EventAgentNotReady", "EventAgentReady"):
        watcher.wait(name)
    other.close()
    checks.quiet("another client goes: nothing", watcher)
    client.close()
    wanted = {"ThisDN": dn, "AgentID": agent, "AgentSessionID": event.get("AgentSessionID")}
    checks.event(watcher.wait("EventAgentLogout"), "the client goes that has logged in", "EventAgentLogout", **wanted)
    checks.quiet("EventAgentLogout comes once", watcher)
    checks.see(shown(desk, dn)[0] == LOGGED_OUT, "nobody is logged in", shown(desk, dn))
    event = login(desk, dn, agent)[1]
    checks.see(event.get("AgentID") == agent, "the agent can log in again", event)


def stays_on_disconnect(checks: Checks, desk: Desk) -> None:
    """logout-on-disconnect: false."""
    dn, agent = desk.phone().dn, desk.agent()
    client, _ = login(desk, dn, agent)
    watcher = desk.registered(dn, "watcher")
    client.close()
    checks.quiet("the client goes that has logged in: nothing", watcher)
    checks.see(shown(desk, dn)[:2] == (NOT_READY, agent), "the agent stays logged in", shown(desk, dn))
    event = watcher.ask("TAgentLogout", ThisDN=dn)
    checks.event(event, "another client logs the agent out", "EventAgentLogout", AgentID=agent)


def stays_out_of_service(checks: Checks, desk: Desk) -> None:
    """logout-on-out-of-service: false, its default."""
    phone, agent = desk.phone(), desk.agent()
    client, _ = login(desk, phone.dn, agent)
    phone.unregister()
    client.wait("EventDNOutOfService")
    checks.quiet("the phone goes: EventDNOutOfService alone", client)
    checks.see(shown(desk, phone.dn)[1] == agent, "the agent stays logged in", shown(desk, phone.dn))


def logout_out_of_service(checks: Checks, desk: Desk) -> None:
    """logout-on-out-of-service: true."""
    phone, agent = desk.phone(), desk.agent()
    client, _ = login(desk, phone.dn, agent)
    phone.unregister()
    client.wait("EventDNOutOfService", ThisDN=phone.dn)
    event = client.wait("EventAgentLogout")
    wanted = {"ThisDN": phone.dn, "AgentID": agent}
    checks.event(event, "the phone goes", "EventAgentLogout", **wanted)
    checks.quiet("each of them comes once", client)
    checks.see(shown(desk, phone.dn)[0] == LOGGED_OUT, "nobody is logged in", shown(desk, phone.dn))


def logs_in_ready(checks: Checks, desk: Desk) -> None:
    """emulated-login-state: ready."""
    event = login(desk, desk.phone().dn, desk.agent())[1]
    checks.event(event, "EventAgentReady follows EventAgentLogin", "EventAgentReady")
    checks.see(reasons_of(event) == reasons(), "it has the reason `site`", event)


def logs_in_as_asked(checks: Checks, desk: Desk) -> None:
    """emulated-login-state: set-by-client."""
    for mode, name in (
        (MANUAL_IN, "EventAgentReady"), (AUTO_IN, "EventAgentReady"), (AUX_WORK, "EventAgentNotReady"),
        (None, "EventAgentNotReady"),
    ):  # fmt: skip
        attributes = {"AgentWorkMode": mode} if mode else {}
        event = login(desk, desk.phone().dn, desk.agent(), **attributes)[1]
        checks.event(event, f"login with {mode or 'no work mode'}", name, **attributes)


def after_call_work(checks: Checks, client: Client, dn: str) -> float:
    """After-call work that the agent asks for; the time of its begin."""
    event = client.ask("TAgentSetNotReady", ThisDN=dn, AgentWorkMode=ACW, Reasons=[("why", "notes")])
    begin = time.monotonic()
    checks.event(event, "after-call work", "EventAgentNotReady", AgentWorkMode=ACW)
    found = of_key(event.get("Reasons"), "ManualSetACWPeriod") is not None
    checks.see(found, "it has the reason ManualSetACWPeriod", event)
    checks.see(of_key(event.get("Reasons"), "why") == "notes", "and that of the client", event)
    return begin


def ended(checks: Checks, client: Client, begin: float) -> Event:
    """The event that ends after-call work, in time."""
    event = state_of(client)
    after = time.monotonic() - begin
    checks.see(WRAPPED_UP_S[0] < after < WRAPPED_UP_S[1], "it ends after wrap-up-time", f"{after:.2f} s")
    checks.see(event.reference == 0 and event.seq > 0, "nobody has asked for its end", event)
    return event


def acw_to_ready(checks: Checks, desk: Desk) -> None:
    """acw-in-idle-force-ready: true, its default."""
    dn = desk.phone().dn
    client, _ = login(desk, dn, desk.agent())
    for before in (None, "TAgentSetReady", "TAgentSetNotReady"):
        if before:
            client.ask(before, ThisDN=dn, Reasons=[("before", before)])
            client.quiet(0)
            client.events.clear()
        event = ended(checks, client, after_call_work(checks, client, dn))
        checks.event(event, f"ready follows, {before or 'TAgentLogin'} before", "EventAgentReady", ThisDN=dn)
        checks.see(of_key(event.get("Reasons"), "site") is not None, "with the reason `site`", event)
    checks.quiet("nothing else comes", client)
    after_call_work(checks, client, dn)
    client.ask("TAgentSetReady", ThisDN=dn, AgentWorkMode=AUTO_IN)
    time.sleep(WRAP_UP_S)
    checks.quiet("who is ready before its end hears nothing at its end", client)
    after_call_work(checks, client, dn)
    client.ask("TAgentLogout", ThisDN=dn)
    time.sleep(WRAP_UP_S)
    checks.quiet("nor does who has logged out", client)


def acw_to_state_before(checks: Checks, desk: Desk) -> None:
    """acw-in-idle-force-ready: false."""
    dn = desk.phone().dn
    client, _ = login(desk, dn, desk.agent())
    for kind, name, mode in (
        ("TAgentSetNotReady", "EventAgentNotReady", AUX_WORK), ("TAgentSetReady", "EventAgentReady", AUTO_IN),
    ):  # fmt: skip
        client.ask(kind, ThisDN=dn, AgentWorkMode=mode)
        event = ended(checks, client, after_call_work(checks, client, dn))
        checks.event(event, f"{name} follows, {kind} before", name, ThisDN=dn, AgentWorkMode=mode)
    checks.quiet("nothing else comes", client)


def acw_without_end(checks: Checks, desk: Desk) -> None:
    """timed-acw-in-idle: false."""
    dn, agent = desk.phone().dn, desk.agent()
    client, _ = login(desk, dn, agent)
    after_call_work(checks, client, dn)
    time.sleep(WRAP_UP_S)
    checks.quiet("after-call work does not end by wrap-up-time", client)
    checks.see(shown(desk, dn) == (AFTER_CALL_WORK, agent, ACW), "the agent is in it", shown(desk, dn))
    event = client.ask("TAgentSetReady", ThisDN=dn)
    checks.event(event, "the agent ends it", "EventAgentReady", AgentID=agent)


SCENES = (
    ("refused logins", refused_logins),
    ("agent session", session),
    ("occupied", occupied),
    ("late client", late_client),
    ("logout-on-disconnect", logout_on_disconnect),
    ("agent out of service", stays_out_of_service),
)
#: What needs other options of the node than their defaults.
SCENES_OF_OPTIONS = (
    ({"wrap-up-time": str(WRAP_UP_S)}, (("after-call work", acw_to_ready),)),
    (
        {"wrap-up-time": str(WRAP_UP_S), "acw-in-idle-force-ready": "false", "logout-on-disconnect": "false",
         "emulated-login-state": "set-by-client"},
        (
            ("acw-in-idle-force-ready false", acw_to_state_before),
            ("logout-on-disconnect false", stays_on_disconnect),
            ("emulated-login-state set-by-client", logs_in_as_asked),
        ),
    ),
    (
        {"wrap-up-time": str(WRAP_UP_S), "timed-acw-in-idle": "false", "logout-on-out-of-service": "true",
         "emulated-login-state": "ready"},
        (
            ("timed-acw-in-idle false", acw_without_end),
            ("logout-on-out-of-service true", logout_out_of_service),
            ("emulated-login-state ready", logs_in_ready),
        ),
    ),
)  # fmt: skip
