"""The broadcast example: what one client sends reaches all."""

import asyncio
from contextlib import AsyncExitStack

from example_server import PATIENCE_SECONDS
from websockets.asyncio.client import connect


async def open_clients(broadcast, count, stack):
    clients = [await stack.enter_async_context(connect(broadcast.url(), compression=None, max_size=None)) for _ in range(count)]
    # A pong shows that the server has opened the connection.
    for client in clients:
        await (await client.ping())
    return clients


def run_with_patience(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 3 * PATIENCE_SECONDS))


def test_a_message_reaches_every_other_client(broadcast):
    async def scenario():
        async with AsyncExitStack() as stack:
            sender, *receivers = await open_clients(broadcast, 20, stack)
            for message in ["hello", b"\x00\x01", "", "x" * 100_000]:
                await sender.send(message)
                for receiver in receivers:
                    assert await receiver.recv() == message

    run_with_patience(scenario())


def test_one_senders_messages_arrive_in_order(broadcast):
    messages = [f"{i}" for i in range(2000)]

    async def send_all(sender):
        for message in messages:
            await sender.send(message)

    async def receive_all(receiver):
        for message in messages:
            assert await receiver.recv() == message

    async def drain(client):
        # Whether the sender hears itself is not this test's matter; it must not stop reading.
        async for _ in client:
            pass

    async def scenario():
        async with AsyncExitStack() as stack:
            sender, *receivers = await open_clients(broadcast, 4, stack)
            draining = asyncio.create_task(drain(sender))
            await asyncio.gather(send_all(sender), *map(receive_all, receivers))
            draining.cancel()

    run_with_patience(scenario())


def test_a_client_that_left_is_not_missed(broadcast):
    async def scenario():
        async with AsyncExitStack() as stack:
            sender, leaver, receiver = await open_clients(broadcast, 3, stack)
            await leaver.close()
            await sender.send("after")
            assert await receiver.recv() == "after"

    run_with_patience(scenario())
