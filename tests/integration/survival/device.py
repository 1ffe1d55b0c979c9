"""tests/integration/survival/device.py - a client that loses its connection again and again, and does all that XEP-0198 asks of one.

What outlives a connection is here: the id to resume by, how many stanzas were handled, what was sent and not acknowledged. It
always asks to resume. Where that is refused it binds anew, reads in the archive what it has missed (if it uses one), and sends
again what was never acknowledged.
"""

import asyncio
import base64
from collections import deque
from xml.sax.saxutils import escape

from server import DOMAIN, PATIENCE_S, Failure
from xml_stream import Stream

NS_SM = "urn:xmpp:sm:3"
NS_ARCHIVE = "urn:xmpp:mam:2"
NS_CARBONS = "urn:xmpp:carbons:2"
NS_SID = "urn:xmpp:sid:0"
ACK_AGAIN_S = 0.1  # h comes when it comes: the server is asked so often, while something is not acknowledged
PAGE = 50


class Device:
    def __init__(self, server, tally, rng, user, resource, has_carbons=False, has_archive=False):
        self.server, self.tally, self.rng = server, tally, rng
        self.user, self.resource = user, resource
        self.bare = f"{user}@{DOMAIN}"
        self.has_carbons, self.has_archive = has_carbons, has_archive
        self.stream = None
        self.script = None
        self.is_online = False  # may send
        self.was_online = asyncio.Event()  # once
        # To resume by:
        self.previd = None
        self.enabled_at = 0  # server.kills when it was enabled
        self.handled = 0
        self.is_counting = False
        self.unacked = deque()  # (stanza, text or None), in the order they were sent
        self.acked = 0  # of those the server counts since <enable/>
        self.to_send_again = []  # behind what is read in the archive
        # Messages:
        self.peer = None  # the account it writes to
        self.watchers = ()  # devices that are to see what it sends
        self.number = 0
        self.is_asked = False
        # The archive: all up to `known` was seen; what comes live while older pages are being read goes no further than `live`.
        self.known = self.live_known = None
        self.n_requests = 0
        self.page = None  # id of the request that is under way

    def __str__(self):
        return f"{self.user}/{self.resource}"

    def __lt__(self, other):
        return str(self) < str(other)

    # ---- connections, one after another ----

    async def live(self):
        """Until it is cancelled, or finds something wrong."""
        while True:
            await self.server.is_ready.wait()
            source = f"127.0.0.{self.rng.randint(2, 250)}"
            self.script = self._script()
            try:
                self.stream = await Stream.open(DOMAIN, self.server.port, source, self._on_element)
                next(self.script)
                await self.stream.ended
            except OSError:  # (with what ssl raises) refused, or cut during the handshake
                await asyncio.sleep(0.01)
            finally:
                self.is_online = self.is_counting = False
                if self.stream is not None and not self.stream.transport.is_closing() and not self.stream.is_deaf:
                    self.stream.forget()

    def cut(self, how):
        """False: there is nothing to cut."""
        if self.stream is None or self.stream.is_deaf:
            return False
        if self.is_online and self.rng.random() < 0.3:  # half a stanza was under way
            stanza = self._next_message()
            self.stream.send(stanza[: self.rng.randint(1, len(stanza) - 1)])
        self.is_online = False
        self.stream.cut(how)
        if how == "silent":
            asyncio.get_running_loop().call_later(self.rng.uniform(0.1, 1), self.stream.forget)
        return True

    def _on_element(self, element):
        if element.name == "error" and element.ns.endswith("streams"):
            if not self.server.is_stopping:
                raise Failure(f"{self}: {element}")
            return
        if self.is_counting and element.ns == "jabber:client":
            self.handled += 1
        self.script.send(element)

    # ---- logging in: a generator that is given each element ----

    def _script(self):
        yield from self._authenticate()
        if self.previd is None or not (yield from self._resume()):
            yield from self._bind()
        while True:
            self._take((yield))

    def _expect(self, *names):
        element = yield
        if element.name not in names:
            raise Failure(f"{self}: {element} came, not one of {names}")
        return element

    def _authenticate(self):
        self.stream.begin()
        yield from self._expect("features")
        secret = base64.b64encode(f"\0{self.user}\0secret of {self.user}".encode()).decode()
        self.stream.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
        yield from self._expect("success")
        self.stream.begin()
        yield from self._expect("features")

    def _resume(self):
        self.stream.send(f"<resume xmlns='{NS_SM}' h='{self.handled}' previd='{escape(self.previd)}'/>")
        answer = yield from self._expect("resumed", "failed")
        if "h" in answer.attrs:
            self._acknowledge(int(answer.attrs["h"]))
        if answer.name == "failed":
            self._refused(answer)
            return False
        self.tally.counts["resumed"] += 1
        self.is_counting = self.is_online = True
        self.is_asked = False
        for stanza, _ in self.unacked:
            self.stream.send(stanza)
        self.ask()
        return True

    def _refused(self, answer):
        self.previd = None
        if self.enabled_at < self.server.kills:
            self.tally.counts["not resumed, since the server had crashed"] += 1
        else:
            self.tally.fault("resumption refused", f"{self}: {answer}")

    def _bind(self):
        self.stream.send(
            f"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            f"<resource>{self.resource}</resource></bind></iq>"
        )
        yield from self._expect("iq")
        kills = self.server.kills
        self.stream.send(f"<enable xmlns='{NS_SM}' resume='true'/>")
        enabled = yield from self._expect("enabled")
        if "id" not in enabled.attrs:
            raise Failure(f"{self}: resumption was asked for, and this came: {enabled}")
        self.previd, self.enabled_at = enabled.attrs["id"], kills
        self.handled = self.acked = 0
        self.is_counting = True
        self.is_asked = False
        self._begin_session()

    def _begin_session(self):
        # The one before may have ended while the archive was being read.
        self.to_send_again += [(stanza, text) for stanza, text in self.unacked if text is not None]
        self.unacked.clear()
        if self.has_carbons:
            self._send("<iq type='set' id='carbons'><enable xmlns='" + NS_CARBONS + "'/></iq>")
        if self.has_archive:
            self._read_archive()
        else:
            self._go_online()

    def _go_online(self):
        self._send("<presence/>")
        again, self.to_send_again = self.to_send_again, []
        for stanza, text in again:
            self._send(stanza, text)
        self.is_online = True
        self.was_online.set()
        self.ask()

    # ---- the archive ----

    def _read_archive(self):
        self.n_requests += 1
        self.page = f"page{self.n_requests}"
        after = f"<after>{self.known}</after>" if self.known else ""
        self._send(
            f"<iq type='set' id='{self.page}'><query xmlns='{NS_ARCHIVE}'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'><max>{PAGE}</max>{after}</set></query></iq>"
        )

    def _on_page(self, iq):
        if iq.attrs["type"] == "error" and iq.find("error").has("item-not-found") and self.known is not None:
            # What was seen live and nobody had acknowledged may have gone with a crash, and its id with it.
            self.tally.counts["read anew from the beginning"] += 1
            self.known = self.live_known = None
            self._read_archive()
            return
        if iq.attrs["type"] != "result":
            raise Failure(f"{self}: {iq}")
        fin = iq.find("fin")
        last = fin.find("set").find("last")
        if last is not None:
            self.known = last.text
        if fin.attrs.get("complete") != "true":
            self._read_archive()
            return
        self.page = None
        self.known = newer(self.known, self.live_known)
        self._go_online()

    # ---- stanzas ----

    def _send(self, stanza, text=None):
        self.unacked.append((stanza, text))
        self.stream.send(stanza)
        self.ask()

    def ask(self):
        if self.is_asked or self.stream is None or not self.is_counting or not self.unacked:
            return
        self.is_asked = True
        self.stream.send(f"<r xmlns='{NS_SM}'/>")

    def _acknowledge(self, h):
        newly = h - self.acked
        if newly < 0 or newly > len(self.unacked):
            raise Failure(f"{self}: h='{h}' after {self.acked}, with {len(self.unacked)} stanzas sent since")
        self.acked = h
        for _ in range(newly):
            _, text = self.unacked.popleft()
            if text is not None:
                self.tally.on_acknowledged(text)

    def _next_message(self):
        """The text of a stanza that counts as sent: it stays to be sent (again) until it is acknowledged."""
        text = f"{self} {self.number}"
        stanza = (
            f"<message to='{self.peer}' type='chat' id='{self.resource}-{self.number}'><body>{text}</body></message>"
        )
        self.number += 1
        self.tally.on_sent(text, self.watchers)
        self.unacked.append((stanza, text))
        return stanza

    def say(self):
        self.stream.send(self._next_message())
        self.ask()

    def _take(self, element):
        if element.ns == NS_SM:
            self._take_nonza(element)
        elif element.name == "message":
            self._take_message(element)
        elif element.name == "iq":
            self._take_iq(element)

    def _take_nonza(self, element):
        if element.name == "r":
            self.stream.send(f"<a xmlns='{NS_SM}' h='{self.handled}'/>")
            return
        self._acknowledge(int(element.attrs["h"]))
        asyncio.get_running_loop().call_later(ACK_AGAIN_S, self._ask_again)

    def _ask_again(self):
        self.is_asked = False
        self.ask()

    def _take_iq(self, iq):
        kind = iq.attrs["type"]
        if iq.attrs["id"] == self.page:
            self._on_page(iq)
        elif kind == "error":
            raise Failure(f"{self}: {iq}")
        elif kind == "get":  # of what the server might ask, a ping has to be answered
            self._send(f"<iq type='result' id='{escape(iq.attrs['id'])}' to='{escape(iq.attrs.get('from', DOMAIN))}'/>")

    def _take_message(self, message):
        if message.attrs.get("type") == "error":
            raise Failure(f"{self}: {message}")
        how, stanza_id, message = self._unwrap(message)
        body = message.find("body")
        if body is None:
            raise Failure(f"{self}: a message without text: {message}")
        if how == "live" and stanza_id is not None:
            self.live_known = newer(self.live_known, stanza_id)
            if self.page is None:
                self.known = self.live_known
        if how == "archive" and body.text.startswith(f"{self} "):
            return  # its own
        self.tally.on_seen(self, body.text, stanza_id, how)

    def _unwrap(self, message):
        """How it came, its stanza-id if it has one, and the message itself."""
        result = message.find("result", NS_ARCHIVE)
        if result is not None:
            return "archive", result.attrs["id"], result.find("forwarded").find("message")
        for name in ("received", "sent"):
            copy = message.find(name, NS_CARBONS)
            if copy is not None:
                message = copy.find("forwarded").find("message")
        stamps = [
            child.attrs["id"]
            for child in message.children
            if child.name == "stanza-id" and child.ns == NS_SID and child.attrs.get("by") == self.bare
        ]
        if len(stamps) > 1:
            raise Failure(f"{self}: more than one stanza-id of {self.bare}: {message}")
        return "live", stamps[0] if stamps else None, message


def newer(a, b):
    """Of two ids of one archive, either of which may be None: later ones sort behind."""
    return max((i for i in (a, b) if i is not None), default=None)
