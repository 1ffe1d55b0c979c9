"""tests/integration/survival/tally.py - who sent what, who got it, how often: the counts that the tests print and judge by.

A message is known by its text, which no other has. It is seen live (sent to the device, a copy of what another device of its account
sent or got, or kept for it meanwhile) or read in the archive. A device that sees in the archive what it has seen
already knows it by its stanza-id, so that is no fault. But what it has seen, or the archive has given, is not to be sent again.
"""

import asyncio
from collections import Counter


class Tally:
    def __init__(self):
        self.counts = Counter()
        self.awaited = {}  # text: devices that have not seen it
        self.sent = {}  # text: devices that are to see it
        self.is_acknowledged = set()
        self.by_id = {}  # (device, stanza-id): "live" or "archive"
        self.newest = {}  # (device, sender): number of the newest message
        self.faults = []
        self.changed = asyncio.Event()

    def fault(self, kind, sentence):
        self.counts[kind] += 1
        if self.counts[kind] <= 8:
            self.faults.append(f"{kind}: {sentence}")

    def on_sent(self, text, devices):
        self.sent[text] = frozenset(devices)
        if devices:
            self.awaited[text] = set(devices)
        self.counts["sent"] += 1

    def on_acknowledged(self, text):
        if text not in self.is_acknowledged:
            self.is_acknowledged.add(text)
            self.counts["acknowledged"] += 1
            self.changed.set()

    def on_seen(self, device, text, stanza_id, how):
        """`how`: "live" or "archive"; `stanza_id` None: the server stamps none."""
        if device not in self.sent.get(text, ()):
            self.fault("unasked", f"{device} got {text!r}, which was not for it")
            return
        if stanza_id is not None and not self._is_new_id(device, text, stanza_id, how):
            return
        self.counts["delivered"] += 1
        if device in self.awaited.get(text, ()):
            self._first(device, text)
        else:
            self.fault("duplicated by text", f"{device} got {text!r} again, as {stanza_id}")

    def _is_new_id(self, device, text, stanza_id, how):
        before = self.by_id.get((device, stanza_id))
        if before is None:
            self.by_id[device, stanza_id] = how
            return True
        if how == "archive":
            self.counts["read again in the archive"] += 1
        else:
            self.fault("duplicated by stanza-id", f"{device} got {text!r}, {stanza_id}, {how} and before {before}")
        return False

    def _first(self, device, text):
        """Between two who talk, nothing overtakes (RFC 6120 section 10.1)."""
        sender, number = text.split()
        if int(number) < self.newest.get((device, sender), -1):
            self.counts["out of order"] += 1
        self.newest[device, sender] = max(int(number), self.newest.get((device, sender), -1))
        self.awaited[text].discard(device)
        if not self.awaited[text]:
            del self.awaited[text]
        self.changed.set()

    async def complete(self, patience_s):
        """Until everything is acknowledged and seen, or nothing of what is missing came for so long."""
        while self.awaited or len(self.is_acknowledged) < len(self.sent):
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), patience_s)
            except asyncio.TimeoutError:
                break
        for text in sorted(self.sent.keys() - self.is_acknowledged):
            self.fault("never acknowledged", repr(text))
        for text, devices in sorted(self.awaited.items()):
            for device in sorted(devices):
                self.fault("lost", f"{text!r} never came to {device}")

    def print(self, *kinds):
        width = max(map(len, kinds))
        for kind in kinds:
            print(f"  {kind:{width}}  {self.counts[kind]:8}")
