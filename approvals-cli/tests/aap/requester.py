"""The official client of the Agent Approval Protocol against `approvals serve`, as a program.

Arguments: the `approvals` binary, its state directory, an approver's key, the tokens of two agents, a port.
Ends with 0 only if everything was as the protocol says.
"""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid

from agentapprovalprotocol import Allow, Call, Client, ConflictError, CredentialRefused, Deny, Gate, NotFound

APPROVALS, STATE, KEY, TOKEN, OTHER, PORT = sys.argv[1:]
BASE = f"http://127.0.0.1:{PORT}"


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

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, "the server did not end as it was asked to"


def body(tool, **arguments):
    return {"tool": tool, "arguments": arguments, "timeout": "10m", "context": {"call_id": "c1", "resume": {"framework": "none"}}}


def check_while(client, call, act):
    """One call through the client's gate, while somebody acts on the request that it makes."""
    verdicts = []
    waiting = threading.Thread(target=lambda: verdicts.append(Gate(client).check(call)))
    waiting.start()
    act()
    waiting.join(timeout=60)
    assert verdicts, "the gate did not come back"
    return verdicts[0]


def newest():
    """The id of the one request that waits."""
    for _ in range(200):
        done = subprocess.run([APPROVALS, "--state", STATE, "--json", "list"], check=True, capture_output=True, text=True)
        rows = json.loads(done.stdout)["requests"]
        if rows:
            return rows[0]["request"] if "request" in rows[0] else rows[0]["id"]
        time.sleep(0.05)
    raise AssertionError("nothing waits")


def decide_newest(word, *more):
    command = [APPROVALS, "--state", STATE, word, newest(), "--key", KEY, *more]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def conflict(code, act):
    try:
        act()
    except ConflictError as error:
        assert error.code == code, error.code
        return
    raise AssertionError(f"no conflict, expected {code}")


def refused(kind, act):
    try:
        act()
    except kind:
        return
    raise AssertionError(f"not refused, expected {kind.__name__}")


def approve_once(client):
    call = Call(key="k-approve", tool="db.export", arguments={"table": "users", "rows": 9007199254740993, "share": 1.0}, reasoning="the auditors asked")
    allow = check_while(client, call, lambda: decide_newest("approve"))
    assert isinstance(allow, Allow), allow
    conflict("already_consumed", lambda: client.consume(allow.request_id, str(uuid.uuid4())))
    assert allow.report("succeeded") is True
    seen = client.get(allow.request_id)
    assert seen.consumption.outcome.status == "succeeded", seen
    again = Gate(client).check(call)
    assert isinstance(again, Deny) and again.status == "consumed", again


def deny_with_reason(client):
    call = Call(key="k-deny", tool="db.export", arguments={"table": "payments"})
    deny = check_while(client, call, lambda: decide_newest("deny", "--reason", "not on a Friday"))
    assert isinstance(deny, Deny) and deny.status == "denied" and "not on a Friday" in deny.reason, deny


def expire(client):
    deny = Gate(client).check(Call(key="k-expire", tool="soon.export", arguments={}))
    assert isinstance(deny, Deny) and deny.status == "expired", deny


def own_time_runs_out(client):
    asked = client.create({**body("db.export", table="late"), "timeout": "1s"}, "k-late")
    seen = client.get(asked.id, wait=5)
    assert seen.status == "expired", seen
    conflict("cancelled", lambda: client.consume(asked.id, "t"))


def cancel(client):
    asked = client.create(body("db.export", table="a"), "k-cancel")
    assert client.cancel(asked.id).status == "cancelled"
    assert client.cancel(asked.id).status == "cancelled"
    conflict("cancelled", lambda: client.consume(asked.id, "t"))


def one_key_is_one_call(client):
    asked = client.create(body("db.export", table="b"), "k-one")
    assert client.create(body("db.export", table="b"), "k-one").id == asked.id
    conflict("action_mismatch", lambda: client.create(body("db.export", table="c"), "k-one"))
    conflict("pending", lambda: client.consume(asked.id, "t"))
    client.cancel(asked.id)


def belongs_to_its_agent(client):
    asked = client.create(body("db.export", table="d"), "k-own")
    other = Client(BASE, OTHER)
    for act in (other.get, other.cancel, lambda id: other.consume(id, "t"), lambda id: other.report_outcome(id, "failed")):
        refused(NotFound, lambda: act(asked.id))
    refused(CredentialRefused, lambda: Client(BASE, "apr_wrong").get(asked.id))
    assert client.get(asked.id).status == "pending"
    client.cancel(asked.id)


def survives_kills(client, server):
    asked = client.create(body("db.export", table="e"), "k-kill")
    server.kill()
    server.start()
    assert client.create(body("db.export", table="e"), "k-kill") == asked
    decide_newest("approve")
    assert client.get(asked.id, wait=10).status == "approved"
    server.kill()
    server.start()
    used = client.consume(asked.id, "try-1")
    assert used.consumption is not None
    server.kill()
    server.start()
    assert client.consume(asked.id, "try-1").consumption == used.consumption
    conflict("already_consumed", lambda: client.consume(asked.id, "try-2"))
    told = client.report_outcome(asked.id, "failed", "it did not work")
    assert told.consumption.outcome.status == "failed", told
    conflict("replay", lambda: client.report_outcome(asked.id, "succeeded"))


def main():
    server = Server()
    server.start()
    try:
        client = Client(BASE, TOKEN)
        for scene in (approve_once, deny_with_reason, expire, own_time_runs_out, cancel, one_key_is_one_call, belongs_to_its_agent):
            scene(client)
            print("ok", scene.__name__, flush=True)
        survives_kills(client, server)
        print("ok survives_kills", flush=True)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


main()
