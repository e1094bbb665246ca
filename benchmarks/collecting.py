"""Asking with a journal beside the bare HTTP client, on a local server of its own process.

    python benchmarks/collecting.py [--cases 20000] [--concurrency 100] [--delay-ms 0 50] [--repeats 3]

The floor is a bare aiohttp loop: as many workers on one session, each sends the same bytes, reads the answer and parses
it; nothing is kept. Ours makes each request from a case, reads, journals and counts it. Both run in processes of their
own against one server, in turns; what counts is the median of the ratios of neighbours in time, because a machine that
others use too is faster now and slower then, and the peak of memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ANSWER = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "local",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "I can help with that. " * 20, "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120},
    }
).encode()
PROMPT = "Case {}: how do I reset the password of the shared printer on the second floor?"


class Server(asyncio.Protocol):
    """As little of HTTP/1.1 as a well-behaved client needs, so that the clients are what is measured."""

    delay = 0.0
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            start = head.find(b"content-length:")
            size = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0  # a GET has no body
            if len(self.held) < end + 4 + size:
                return
            self.held = self.held[end + 4 + size :]
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.transport.write, self.reply)
            else:
                self.transport.write(self.reply)


async def serve(delay_ms: float) -> None:
    Server.delay = delay_ms / 1000
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def floor(url: str, cases: int, concurrency: int) -> None:
    import aiohttp
    import orjson

    numbers = iter(range(cases))

    async def work(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            content = PROMPT.format(number)
            body = orjson.dumps({"model": "local", "messages": [{"role": "user", "content": content}]})
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
                said = orjson.loads(await response.read())
            assert said["choices"][0]["message"]["content"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))


def ours(base: str, cases: int, concurrency: int, folder: Path) -> None:
    from shipworthy.collect import Job, Limits, ask_all
    from shipworthy.exchange import Case
    from shipworthy.subjects.chat import open_chat

    declared = SimpleNamespace(
        chat=base, model="local", system=None, key=None, headers={}, parameters={}, stream=False, prices=None
    )
    subject = open_chat("local", declared, folder=folder)

    def jobs() -> Iterator[Job]:
        return (Job(seq=number, case=Case(id=str(number), turns=(PROMPT.format(number),))) for number in range(cases))

    found = ask_all(
        subject, jobs, total=cases, journal=folder / "journal.jsonl", limits=Limits(max_concurrency=concurrency)
    )
    assert found.statuses == {"ok": cases}, found


def client(task: str, port: int, cases: int, concurrency: int) -> None:
    """One measurement, in this process: wall and CPU seconds after imports, peak memory."""
    import aiohttp  # noqa: F401  before the clock starts

    base = f"http://127.0.0.1:{port}/v1"
    with tempfile.TemporaryDirectory() as folder:
        if task == "ours":
            import shipworthy.collect
            import shipworthy.subjects.chat  # noqa: F401
        wall, cpu = time.perf_counter(), time.process_time()
        if task == "floor":
            asyncio.run(floor(f"{base}/chat/completions", cases, concurrency))
        else:
            ours(base, cases, concurrency, Path(folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": _peak()}))


def _peak() -> float:
    """MiB that this process had resident at most; what getrusage tells includes the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split(None, 1)[0]) / 1024


def measure(task: str, port: int, cases: int, concurrency: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--task", task, "--port", str(port)]
    command += ["--cases", str(cases), "--concurrency", str(concurrency)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(delay_ms: float, cases: int, concurrency: int, repeats: int) -> dict[str, Any]:
    """Floor and ours in turns against one server."""
    server = subprocess.Popen(
        [sys.executable, __file__, "--task", "serve", "--delay-ms", str(delay_ms)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        runs: dict[str, list[dict[str, float]]] = {"floor": [], "ours": []}
        for _ in range(repeats):
            for task, found in runs.items():
                found.append(measure(task, port, cases, concurrency))
    finally:
        server.kill()
        server.wait()
    summary: dict[str, Any] = {"delay_ms": delay_ms, "cases": cases, "concurrency": concurrency}
    for task, found in runs.items():
        summary[task] = {
            "per_second": cases / statistics.median(run["wall"] for run in found),
            "cpu_seconds": statistics.median(run["cpu"] for run in found),
            "peak_mib": max(run["peak"] for run in found),
        }
    pairs = list(zip(runs["floor"], runs["ours"], strict=True))
    summary["ratio"] = statistics.median(floor["wall"] / ours["wall"] for floor, ours in pairs)
    summary["cpu_ratio"] = statistics.median(floor["cpu"] / ours["cpu"] for floor, ours in pairs)
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--delay-ms", type=float, nargs="+", default=[0.0, 50.0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--task", choices=["serve", "floor", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task == "serve":
        asyncio.run(serve(given.delay_ms[0]))
    elif given.task:
        client(given.task, given.port, given.cases, given.concurrency)
    else:
        for delay_ms in given.delay_ms:
            found = compare(delay_ms, given.cases, given.concurrency, given.repeats)
            if given.json:
                print(json.dumps(found), flush=True)
                continue
            print(f"{given.cases:,} cases, {given.concurrency} at once, {delay_ms:g} ms latency")
            for task in ("floor", "ours"):
                one = found[task]
                print(
                    f"  {task:<6} {one['per_second']:9,.0f} a second {one['cpu_seconds']:8.2f} s CPU"
                    f" {one['peak_mib']:7.0f} MiB"
                )
            print(f"  ours / floor {found['ratio']:.2f}, by CPU time {found['cpu_ratio']:.2f}", flush=True)


if __name__ == "__main__":
    main()
