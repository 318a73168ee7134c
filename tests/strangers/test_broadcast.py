"""The broadcast example: what one client sends reaches all."""

import asyncio
from contextlib import AsyncExitStack

from example_server import PATIENCE_SECONDS
from websockets.asyncio.client import connect


async def open_clients(broadcast, count, stack):
    """Clients of which each has heard itself: all are subscribed, and nothing is on its way."""
    clients = []
    for _ in range(count):
        client = await stack.enter_async_context(connect(broadcast.url(), compression=None, max_size=None))
        clients.append(client)
        await client.send(f"client {len(clients)} is here")
        for receiver in clients:
            assert await receiver.recv() == f"client {len(clients)} is here"
    return clients


def run_with_patience(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 3 * PATIENCE_SECONDS))


def test_a_message_reaches_every_client_and_its_sender(broadcast):
    async def scenario():
        async with AsyncExitStack() as stack:
            clients = await open_clients(broadcast, 20, stack)
            for message in ["hello", b"\x00\x01", "", "x" * 100_000]:
                await clients[7].send(message)
                for receiver in clients:
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

    async def scenario():
        async with AsyncExitStack() as stack:
            clients = await open_clients(broadcast, 4, stack)
            await asyncio.gather(send_all(clients[0]), *map(receive_all, clients))

    run_with_patience(scenario())


def test_a_client_that_left_is_not_missed(broadcast):
    async def scenario():
        async with AsyncExitStack() as stack:
            sender, leaver, receiver = await open_clients(broadcast, 3, stack)
            await leaver.close()
            await sender.send("after")
            assert await receiver.recv() == "after"

    run_with_patience(scenario())
