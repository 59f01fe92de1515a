"""Upper case on asyncio's streams, as its manual shows them. PORT is the one argument."""

import asyncio
import sys


async def serve(reader, writer):
    try:
        while data := await reader.read(16384):
            writer.write(data.upper())
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), limit=16384, backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(main())
