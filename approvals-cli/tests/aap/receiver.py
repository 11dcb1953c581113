"""The official client's `Receiver` against `approvals serve`: an instance is provisioned, runs are woken.

Arguments: the `approvals` binary, its state directory, an approver's key, a provisioner's token, the server's port,
the receiver's port. Ends with 0 only if everything was as the protocol says.
"""

import asyncio
import json
import signal
import subprocess
import sys
import uuid

import httpx
from aiohttp import web

from agentapprovalprotocol import Allow, AsyncClient, AsyncGate, Call, ConflictError, Deny, Pending
from agentapprovalprotocol import ProvisionError, Receiver, WebhookVerificationFailed

APPROVALS, STATE, KEY, PROVISIONER, PORT, MINE = sys.argv[1:]
BASE = f"http://127.0.0.1:{PORT}"
URL = f"http://127.0.0.1:{MINE}/aap/events"


class Server:
    """`approvals serve`, which can be killed and started again."""

    def start(self):
        command = [APPROVALS, "--state", STATE, "serve", "--listen", f"127.0.0.1:{PORT}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert "listening" in line, line

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class House:
    """The receiving service: the official receiver behind a web server that can be down."""

    def __init__(self):
        self.woken = []
        self.events = []
        self.down = False
        self.receiver = Receiver(resumers={"test": self.resume})

    def resume(self, handle, request):
        self.woken.append((handle["run"], request.status))

    async def take(self, request):
        body = await request.read()
        self.events.append((request.headers.get("webhook-id"), body, self.down))
        if self.down:
            return web.Response(status=503)
        status, answer = await self.receiver.handle(request.headers, body)
        return web.Response(status=status, body=answer)

    async def start(self):
        app = web.Application()
        app.router.add_post("/aap/events", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(MINE)).start()

    async def until_woken(self, run, status):
        for _ in range(1000):
            if (run, status) in self.woken:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{run} was not woken as {status}: {self.woken}")


def call(run, tool="db.export"):
    return Call(key=f"k-{run}", tool=tool, arguments={"table": run}, resume=handle(run))


def handle(run):
    return {"framework": "test", "run": run}


async def cli(*words):
    process = await asyncio.create_subprocess_exec(APPROVALS, "--state", STATE, *words, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, (words, out)
    return out


async def waiting():
    return [row.get("request") or row["id"] for row in json.loads(await cli("--json", "list"))["requests"]]


async def decide(word, *more):
    (request,) = await waiting()
    await cli(word, request, "--key", KEY, *more)


async def refused(kind, act):
    try:
        await act
    except kind as error:
        return error
    raise AssertionError(f"not refused, expected {kind.__name__}")


async def provision(house):
    stranger = Receiver(resumers={})
    failed = stranger.provision(provider_url=BASE, provisioner_token=PROVISIONER, url=URL)
    error = await refused(WebhookVerificationFailed, failed)
    assert error.status == 422, error
    elsewhere = Receiver(resumers={})
    failed = elsewhere.provision(provider_url=BASE, provisioner_token=PROVISIONER, url=f"http://127.0.0.1:{MINE}/other")
    assert (await refused(ProvisionError, failed)).status == 403
    made = await house.receiver.provision(provider_url=BASE, provisioner_token=PROVISIONER, url=URL, instance_name="laptop")
    assert made.instance_name == "laptop"
    again = await house.receiver.provision(provider_url=BASE, provisioner_token=PROVISIONER, url=URL, instance_name="laptop")
    assert (again.instance_id, again.token) == (made.instance_id, made.token)
    other = house.receiver.provision(provider_url=BASE, provisioner_token=PROVISIONER, url=URL, instance_name="other")
    assert (await refused(ProvisionError, other)).code == "idempotency_conflict"
    # Neither token is good for what the other one is for.
    async with httpx.AsyncClient(base_url=BASE) as http:
        for token, path, body in [
            (made.token, "/v1/instances", {}),
            (PROVISIONER, "/v1/requests", {"tool": "db.export", "arguments": {}, "timeout": "1m"}),
        ]:
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
            assert (await http.post(path, json=body, headers=headers)).status_code == 401
    return made


async def approve(house, gate, client):
    assert isinstance(await gate.check(call("approve")), Pending)
    await decide("approve")
    await house.until_woken("approve", "approved")
    allow = await gate.check(call("approve"))
    assert isinstance(allow, Allow), allow
    error = await refused(ConflictError, client.consume(allow.request_id, str(uuid.uuid4())))
    assert error.code == "already_consumed", error
    assert await allow.report("succeeded") is True


async def deny(house, gate):
    assert isinstance(await gate.check(call("deny")), Pending)
    await decide("deny", "--reason", "not on a Friday")
    await house.until_woken("deny", "denied")
    verdict = await gate.check(call("deny"))
    assert isinstance(verdict, Deny) and "not on a Friday" in verdict.reason, verdict


async def expire(house, gate, client):
    # The policy's time for people ends, and for the other one the agent's own.
    assert isinstance(await gate.check(call("expire", tool="soon.export")), Pending)
    late = {"tool": "db.export", "arguments": {}, "timeout": "1s", "context": {"resume": handle("late")}}
    await client.create(late, "k-late")
    await house.until_woken("expire", "expired")
    await house.until_woken("late", "expired")


async def cancel(house, client):
    body = {"tool": "db.export", "arguments": {}, "timeout": "10m", "context": {"resume": handle("cancel")}}
    asked = await client.create(body, "k-cancel")
    await client.cancel(asked.id)
    await house.until_woken("cancel", "cancelled")


async def across_kills(house, gate, server):
    """Decided while the server is away; told while the receiver is; killed in between."""
    assert isinstance(await gate.check(call("kill")), Pending)
    server.kill()
    await decide("approve")
    house.down = True
    server.start()
    for _ in range(1000):
        if house.events[-1][2]:
            break
        await asyncio.sleep(0.02)
    assert house.events[-1][2], "the receiver was not tried"
    server.kill()
    house.down = False
    server.start()
    await house.until_woken("kill", "approved")
    assert isinstance(await gate.check(call("kill")), Allow)


async def main():
    server, house = Server(), House()
    server.start()
    await house.start()
    try:
        made = await provision(house)
        client = AsyncClient(BASE, made.token)
        gate = AsyncGate(client, mode="async")
        await approve(house, gate, client)
        await deny(house, gate)
        await expire(house, gate, client)
        await cancel(house, client)
        await across_kills(house, gate, server)
        # Each event has one id and one body, however often it came.
        bodies = {}
        for id, body, _ in house.events:
            assert bodies.setdefault(id, body) == body
        for _, body, _ in house.events:
            assert set(json.loads(body)) <= {"id", "type", "instance_id", "request_id", "registration_id", "created_at", "challenge"}
        # An instance that is ended can do nothing, and what it waits for is withdrawn.
        assert isinstance(await gate.check(call("end")), Pending)
        async with httpx.AsyncClient(base_url=BASE, headers={"Authorization": f"Bearer {PROVISIONER}"}) as http:
            seen = (await http.get(f"/v1/instances/{made.instance_id}")).json()
            assert seen["name"] == "laptop" and "signing_secret" not in json.dumps(seen), seen
            assert (await http.delete(f"/v1/instances/{made.instance_id}")).status_code == 204
            assert (await http.get(f"/v1/instances/{made.instance_id}")).status_code == 404
        async with httpx.AsyncClient(base_url=BASE, headers={"Authorization": f"Bearer {made.token}"}) as http:
            assert (await http.get(f"/v1/requests/{uuid.uuid4()}")).status_code == 401
        assert await waiting() == []
    finally:
        server.kill()


asyncio.run(main())
