#!/usr/bin/env python3
"""tests/integration/survival/test_kills.py - kill -9 at random moments, under load: nothing that was acknowledged is lost, and nobody gets
one stanza-id twice. Between the kills the server is stopped and started as an operator would: then every session is resumed.

    test_kills.py [--kills N] [--stops N] [--couples N] [--loners N] [--workers N]

It makes 4 kills and 2 stops, or a hundred and twenty if LINNET_TEST_LONG is set. LINNET_TEST_SEED makes the same choices again. What was
sent and not acknowledged when the server died is sent again, and so may be seen twice, with two stanza-ids: "duplicated by text".
"""

import asyncio

from server import Failure
from world import main, option, is_long

KILLS = option("kills", 100 if is_long() else 4)
STOPS = option("stops", 20 if is_long() else 2)
COUPLES = option("couples", 4)
LONERS = option("loners", 4)


async def end_again_and_again(world):
    """From the very start, when all log in at once, to a second of quiet talk."""
    ends = ["kill"] * KILLS + ["stop"] * STOPS
    world.rng.shuffle(ends)
    for end in ends:
        await asyncio.sleep(world.rng.uniform(0, 1.5))
        world.tally.counts[f"{end}s"] += 1
        await (world.server.kill() if end == "kill" else world.server.stop())
        await world.server.start()


async def story(world):
    await world.server.start()
    for i in range(COUPLES):
        await world.add_couple(i, has_carbons=True, has_archive=True)
    for i in range(LONERS):
        await world.add_loners(i)
    await world.everybody_online()
    world.start(world.talk())
    await end_again_and_again(world)
    await world.silence()
    if world.tally.counts["acknowledged"] == 0 or (STOPS > 0 and world.tally.counts["resumed"] == 0):
        raise Failure("nothing was acknowledged, or nothing was resumed")


main(
    story,
    told=(
        "kills",
        "stops",
        "resumed",
        "not resumed, since the server had crashed",
        "sent",
        "acknowledged",
        "delivered",
        "read again in the archive",
        "read anew from the beginning",
        "duplicated by text",
        "out of order",
    ),
    judged=(
        "resumption refused",
        "lost",
        "never acknowledged",
        "duplicated by stanza-id",
        "unasked",
        *(("duplicated by text", "out of order") if KILLS == 0 else ()),
    ),
)
