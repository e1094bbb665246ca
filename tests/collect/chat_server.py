"""A server of the OpenAI protocol whose behaviour the prompt scripts: `TAG NUMBER | WHAT`.

WHAT is one of the names below, or `CODE*N[@RETRY-AFTER]`: the first N requests with this prompt and seed get that
status. Everything that was asked is listed at /log?tag=TAG, in order. Run as a program it prints its port.
"""

import asyncio
import gzip
import json
import re
import sys
import time
from collections import Counter
from email.utils import formatdate

from aiohttp import web

asked: list[str] = []
counts: Counter[str] = Counter()
busy: Counter[str] = Counter()  # on their way now, by tag
busiest: Counter[str] = Counter()
meetings: dict[str, asyncio.Barrier] = {}  # by tag; nobody leaves until so many are there


def message(text: str | None, **more: object) -> dict:
    reason = more.pop("reason", "stop")
    return {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **more}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20},
    }


async def answer(request: web.Request) -> web.StreamResponse:
    body = json.loads(await request.read())
    prompt = body["messages"][-1]["content"]
    tag, _, rest = prompt.partition(" ")
    what = rest.partition("| ")[2]
    known = f"{prompt} seed {body.get('seed')}"
    asked.append(known)
    counts[known] += 1
    busy[tag] += 1
    busiest[tag] = max(busiest[tag], busy[tag])
    try:
        return await respond(request, what, body, counts[known])
    finally:
        busy[tag] -= 1


async def respond(request: web.Request, what: str, body: dict, attempt: int) -> web.StreamResponse:
    text = f"turn {sum(m['role'] == 'user' for m in body['messages'])} of {body['messages'][-1]['content']}, seed {body.get('seed')}"
    if wanted := re.fullmatch(r"(\d{3})\*(\d+)(?:@(.*))?", what):
        if attempt <= int(wanted[2]):
            after = wanted[3]
            if after == "date":
                after = formatdate(time.time() + 1, usegmt=True)
            headers = {"Retry-After": after} if after else {}
            return web.Response(status=int(wanted[1]), headers=headers, text="no: key sk-very-secret\n\x1b[31m")
    elif drop := re.fullmatch(r"drop\*(\d+)", what):
        if attempt <= int(drop[1]):
            request.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"choices":')
            request.transport.close()
            await asyncio.sleep(0.01)
            return web.Response()
    elif wait := re.fullmatch(r"wait ([\d.]+)", what):
        await asyncio.sleep(float(wait[1]))
    elif together := re.fullmatch(r"together (\d+)", what):
        tag = body["messages"][-1]["content"].partition(" ")[0]
        await meetings.setdefault(tag, asyncio.Barrier(int(together[1]))).wait()
    elif what in SPECIAL:
        return await SPECIAL[what](request)
    if body.get("stream"):
        return await stream(request, text)
    return web.json_response(message(text))


async def stream(request: web.Request, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for word in re.findall(r"\S+\s*", text):
        event = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await asyncio.sleep(0.002)
    await response.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n')
    await response.write(b'data: {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 20}}\n\n')
    await response.write(b"data: [DONE]\n\n")
    return response


def plainly(body: object, status: int = 200):
    async def give(_: web.Request) -> web.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=raw, status=status, content_type="application/json")

    return give


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while True:
        await response.write(b'data: {"choices": [{"index": 0, "delta": {"content": "on and on "}}]}\n\n')
        await asyncio.sleep(0.005)


async def huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(400):
        await response.write(b"x" * 65536)
    return response


PACKED = gzip.compress(b" " * 100_000_000, 1)


async def bomb(_: web.Request) -> web.Response:
    return web.Response(body=PACKED, headers={"Content-Encoding": "gzip"})


async def header(_: web.Request) -> web.Response:
    return web.Response(headers={"X-Long": "x" * 100_000}, body=b"{}")


async def never(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


async def elsewhere(_: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://127.0.0.2:9/stolen"})


BLOCKED = {"error": {"message": "The response was filtered", "code": "content_filter", "status": 400}}
SPECIAL = {
    "never": never,
    "endless": endless,
    "huge": huge,
    "bomb": bomb,
    "header": header,
    "redirect": elsewhere,
    "half": plainly(json.dumps(message("cut off"))[:60].encode()),
    "nothing": plainly(b""),
    "page": plainly(b"<html>502 Bad Gateway</html>"),
    "shape": plainly({"result": "hello"}),
    "empty": plainly(message("")),
    "none": plainly(message(None)),
    "refusal": plainly(message(None, refusal="I cannot help with that.")),
    "filtered": plainly(message("The first step is", reason="content_filter")),
    "azure": plainly(BLOCKED, 400),
    "quota": plainly({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, 429),
    "said-error": plainly({"error": {"message": "the model crashed"}}),
    "bytes": plainly(b'{"choices":[{"message":{"content":"caf\xe9"},"finish_reason":"stop"}]}'),
    "surrogate": plainly(b'{"choices":[{"message":{"content":"a\\ud800b"},"finish_reason":"stop"}]}'),
}


async def log(request: web.Request) -> web.Response:
    tag = request.query["tag"]
    return web.json_response({"asked": [one for one in asked if one.startswith(tag + " ")], "busiest": busiest[tag]})


async def main() -> None:
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/log", log)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the test ends


if __name__ == "__main__":
    asyncio.run(main())
