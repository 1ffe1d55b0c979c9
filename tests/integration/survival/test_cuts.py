#!/usr/bin/env python3
"""tests/integration/survival/test_cuts.py - connections are cut at random moments, under load; every session is resumed, from another
address, by another worker: nobody misses a message, nobody sees one twice, and none overtakes another.

    test_cuts.py [--cuts N] [--couples N] [--workers N]

It makes 60 cuts, or a thousand if LINNET_TEST_LONG is set. LINNET_TEST_SEED makes the same choices again.
"""

import asyncio

from server import Failure
from world import main, option, is_long

CUTS = option("cuts", 1000 if is_long() else 60)
COUPLES = option("couples", 6)
WAYS = ("reset", "close", "silent")


async def cut_again_and_again(world):
    """Mostly those that are online; now and then one that is just coming back."""
    made = 0
    while made < CUTS:
        await asyncio.sleep(world.rng.uniform(0, 0.05))
        device = world.rng.choice(world.devices)
        if not device.is_online and world.rng.random() < 0.7:
            continue
        way = world.rng.choice(WAYS)
        if device.cut(way):
            made += 1
            world.tally.counts["cuts"] += 1
            world.tally.counts[f"cuts: {way}"] += 1


async def story(world):
    await world.server.start()
    for i in range(COUPLES):
        await world.add_couple(i, has_carbons=True)
    await world.everybody_online()
    world.start(world.talk())
    await cut_again_and_again(world)
    await world.silence()
    world.tally.counts["resumed by another worker"] = world.server.moved
    if world.tally.counts["resumed"] == 0:
        raise Failure("nothing was resumed")
    if world.server.moved == 0 and world.server.workers > 1:
        raise Failure("no session was resumed by way of another worker")


main(
    story,
    told=("cuts", *(f"cuts: {way}" for way in WAYS), "resumed", "resumed by another worker", "sent", "acknowledged", "delivered"),
    judged=(
        "resumption refused",
        "lost",
        "never acknowledged",
        "duplicated by stanza-id",
        "duplicated by text",
        "out of order",
        "unasked",
    ),
)
