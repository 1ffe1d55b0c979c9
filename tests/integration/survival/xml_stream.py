"""tests/integration/survival/xml_stream.py - one TLS connection to the server, and the elements that come over it.

What is done with an element is done before the next one is looked at, so a cut falls between any two of them, whatever the
packets were.
"""

import asyncio
import re
import socket
import ssl
import struct
from xml.parsers import expat

NS_STREAM = "http://etherx.jabber.org/streams"
_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_tls.check_hostname = False
_tls.verify_mode = ssl.CERT_NONE


class Element:
    __slots__ = ("name", "ns", "attrs", "children", "text")

    def __init__(self, full, attrs):
        self.ns, _, self.name = full.rpartition(" ")
        self.attrs = attrs
        self.children = []
        self.text = ""

    def find(self, name, ns=None):
        for child in self.children:
            if child.name == name and (ns is None or child.ns == ns):
                return child
        return None

    def has(self, *names):
        """Is there such a descendant, each name a child of the one before?"""
        at = self
        for name in names:
            at = at.find(name)
            if at is None:
                return False
        return True

    def __str__(self):
        attrs = "".join(f" {name}='{value}'" for name, value in self.attrs.items())
        inner = self.text + "".join(map(str, self.children))
        return f"<{self.name} xmlns='{self.ns}'{attrs}>{inner}</{self.name}>"


class Stream(asyncio.Protocol):
    """`on_element` is called for each; it may cut() the stream, and is not called again then."""

    def __init__(self, domain, on_element):
        self.domain = domain
        self.on_element = on_element
        self.transport = None
        self.is_deaf = False  # cut: nothing that still comes is looked at
        self.ended = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, domain, port, source, on_element):
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(
            lambda: cls(domain, on_element),
            "127.0.0.1",
            port,
            ssl=_tls,
            server_hostname=domain,
            local_addr=(source, 0),
        )
        return stream

    def connection_made(self, transport):
        self.transport = transport
        self._new_parser()

    def data_received(self, data):
        if self.is_deaf:
            return
        try:
            for part in re.split(rb"(?=<\?xml )", data):  # with a new header comes a new parser
                self.parser.Parse(part)
        except Exception as e:  # the test's own faults, and XML that is none: the one who waits for the end is told
            self._end(e)

    def connection_lost(self, exc):
        self._end(None)

    def _end(self, exc):
        self.is_deaf = True
        if not self.ended.done():
            if exc is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(exc)

    # ---- sending ----

    def begin(self):
        """A stream header, and a new parser for the answer."""
        self._new_parser()
        self.send(
            f"<stream:stream xmlns='jabber:client' xmlns:stream='{NS_STREAM}' version='1.0' to='{self.domain}'>"
        )

    def _new_parser(self):
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        if hasattr(self.parser, "SetReparseDeferralEnabled"):
            self.parser.SetReparseDeferralEnabled(False)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._finish
        self.parser.CharacterDataHandler = self._text
        self.stack = []

    def send(self, text):
        if not self.is_deaf and not self.transport.is_closing():
            self.transport.write(text.encode())

    # ---- receiving ----

    def _start(self, full, attrs):
        element = Element(full, attrs)
        if len(self.stack) > 1:
            self.stack[-1].children.append(element)
        self.stack.append(element)

    def _finish(self, _):
        element = self.stack.pop()
        if len(self.stack) == 1 and not self.is_deaf:
            self.on_element(element)

    def _text(self, text):
        if len(self.stack) > 1:
            self.stack[-1].text += text

    # ---- the end ----

    def cut(self, how):
        """Nothing more is read or said. "reset": as by a dead network that came back; "close": as by a program that ended;
        "silent": the server is not told at all, the connection stays as it is until forget()."""
        self._end(None)
        if how == "silent":
            self.transport.pause_reading()
            return
        if how == "reset":
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.transport.abort()

    def forget(self):
        self.transport.abort()
