"""tests/integration/survival/world.py - who is there in these tests, what makes them talk, and how a test ends.

Couples: one person with a phone and a desktop, another with one device, all three of which write without a pause, each as fast as its
messages are acknowledged. Every message is to be seen by each device of both persons except the one that sent it. And loners,
who use neither carbons nor the archive: they get what comes to them live, or kept for them meanwhile.
"""

import asyncio
import logging
import os
import random
import sys
import time
import traceback

from device import Device
from server import PATIENCE_S, Failure, Server
from tally import Tally

TICK_S = 0.02
WINDOW = 20  # messages that are not acknowledged, for each device


def option(name, usual):
    """--name N"""
    words = sys.argv[1:]
    return int(words[words.index(f"--{name}") + 1]) if f"--{name}" in words else usual


def is_long():
    return os.environ.get("LINNET_TEST_LONG", "0") != "0"


class World:
    def __init__(self, settings=None):
        self.seed = int(os.environ.get("LINNET_TEST_SEED") or time.time_ns() % 1000000)
        self.rng = random.Random(self.seed)
        self.server = Server(option("workers", int(os.environ.get("LINNET_TEST_WORKERS", "4"))), settings)
        self.tally = Tally()
        self.devices = []
        self.plot = None
        self.tasks = []
        self.found = None  # what the first of them to fail raised
        self.is_talking = False
        print(f"LINNET_TEST_SEED={self.seed}", flush=True)

    async def add_couple(self, i, **habits):
        for user in (f"juliet{i}", f"romeo{i}"):
            await self.server.add_account(user)
        hers = [self._device(f"juliet{i}", resource, **habits) for resource in ("phone", "desktop")]
        his = self._device(f"romeo{i}", "phone", **habits)
        for device, peer in ((hers[0], his), (hers[1], his), (his, hers[0])):
            device.peer = peer.bare
            device.watchers = [d for d in (*hers, his) if d is not device]

    async def add_loners(self, i):
        """Two, who write to each other."""
        for user in (f"rosaline{i}", f"paris{i}"):
            await self.server.add_account(user)
        pair = [self._device(f"{name}{i}", "phone") for name in ("rosaline", "paris")]
        for device, peer in (pair, pair[::-1]):
            device.peer, device.watchers = peer.bare, [peer]

    def _device(self, user, resource, **habits):
        device = Device(self.server, self.tally, self.rng, user, resource, **habits)
        self.devices.append(device)
        return device

    def start(self, coroutine):
        """Beside the story, which ends when this finds something wrong."""
        task = asyncio.ensure_future(coroutine)
        self.tasks.append(task)
        task.add_done_callback(self._on_end)

    def _on_end(self, task):
        if not task.cancelled() and task.exception() is not None and self.found is None:
            self.found = task.exception()
            self.plot.cancel()

    async def everybody_online(self):
        for device in self.devices:
            self.start(device.live())
        for device in self.devices:
            try:
                await asyncio.wait_for(device.was_online.wait(), PATIENCE_S)
            except asyncio.TimeoutError:
                raise Failure(f"{device} never came online") from None

    async def talk(self):
        self.is_talking = True
        while self.is_talking:
            for device in self.devices:
                if device.is_online and len(device.unacked) < WINDOW:
                    device.say()
            await asyncio.sleep(TICK_S)

    async def silence(self):
        """Nobody writes any more; what was written is acknowledged, and comes."""
        self.is_talking = False
        await self.tally.complete(PATIENCE_S)

    async def run(self, story):
        """Plays it; then nobody is connected any more."""
        self.plot = asyncio.ensure_future(story(self))
        try:
            await self.plot
        except asyncio.CancelledError:
            if self.found is None:
                raise
            raise self.found from None
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)


def main(story, judged, told, settings=None):
    """Plays `story(world)`. Fails if one of the counts `judged` is not 0, or anything else goes wrong."""

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # that a connection is gone is no news here

    async def play():
        world = World(settings)
        wrong = None
        try:
            await world.run(story)
            await world.server.stop()
        except Failure as e:
            wrong = f"failed: {e}"
        except Exception:
            wrong = traceback.format_exc()
        finally:
            world.tally.print(*told, *judged)
            if wrong is None and any(world.tally.counts[kind] for kind in judged):
                wrong = "failed"
            if wrong is not None:
                faults = "\n".join(world.tally.faults)
                print(f"{wrong}\n{faults}\n---- the end of the server's log ----\n{world.server.show_log()}", file=sys.stderr)
            world.server.remove()
        return wrong is None

    sys.exit(0 if asyncio.run(play()) else 1)
