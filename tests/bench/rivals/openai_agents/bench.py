import asyncio, os, sqlite3, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bench import *
from typing import Any
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from agents import (
    Agent,
    Model,
    ModelResponse,
    Runner,
    RunState,
    Usage,
    function_tool,
    set_tracing_disabled,
    RunConfig,
)

set_tracing_disabled(True)  # tracing would export over the network
RESUMED = {}


class Fake(Model):
    """Turn 1: call the tool; turn 2 (a tool output is in the input): final message."""

    async def get_response(
        self, system_instructions, input, model_settings, tools, output_schema, handoffs, tracing, **kw
    ):
        last = input[-1] if isinstance(input, list) and input else None
        if isinstance(last, dict) and last.get("type") == "function_call_output":
            out = ResponseOutputMessage(
                id="m1",
                role="assistant",
                status="completed",
                type="message",
                content=[ResponseOutputText(text="done", type="output_text", annotations=[])],
            )
        else:
            i = int(
                input
                if isinstance(input, str)
                else next(x["content"] for x in input if x.get("role") == "user")
            )
            out = ResponseFunctionToolCall(
                id="f1",
                call_id=f"c{i}",
                name="refund_tool",
                type="function_call",
                arguments=json.dumps({"a_json": canonical(args_for(i)).decode()}),
            )
        return ModelResponse(output=[out], usage=Usage(), response_id=None)

    def stream_response(self, *a, **k):
        raise NotImplementedError


def body(a_json: str) -> str:
    a = json.loads(a_json)
    RESUMED[a["order"]] = now()
    return json.dumps(refund(a))


@function_tool(needs_approval=True)
def refund_tool(a_json: str) -> str:
    "refund"
    return body(a_json)


free_tool = function_tool(body, name_override="refund_tool", description_override="refund")


async def never(ctx, args, call_id):
    return False  # policy says allow


policy_tool = function_tool(
    body, name_override="refund_tool", description_override="refund", needs_approval=never
)

ASK = Agent(name="a", model=Fake(), tools=[refund_tool])
FREE = Agent(name="a", model=Fake(), tools=[free_tool])
POL = Agent(name="a", model=Fake(), tools=[policy_tool])


async def ask(i):
    r = await Runner.run(ASK, str(i))
    assert r.interruptions
    st = r.to_state()
    st.approve(r.interruptions[0])
    r = await Runner.run(ASK, st)
    assert r.final_output == "done"


async def free(i, ag=FREE):
    r = await Runner.run(ag, str(i))
    assert r.final_output == "done" and not r.interruptions


async def w1(n=500):
    for v, fn in (("allow_unguarded", free), ("allow", lambda i: free(i, POL)), ("ask_immediate", ask)):
        for i in range(30):
            await fn(i)
        ts = []
        c0 = time.process_time()
        for i in range(n):
            a = now()
            await fn(i)
            ts.append(now() - a)
        emit(
            "W1",
            v,
            n=n,
            cpu_us=(time.process_time() - c0) / n * 1e6,
            mean_us=sum(ts) / n / 1e3,
            **lat(ts),
            store="memory",
        )


def db(d):
    c = sqlite3.connect(os.path.join(d, "s.sqlite"), isolation_level=None)
    c.execute("pragma journal_mode=wal")
    c.execute("create table s(id text primary key, state text not null, status text not null)")
    return c


async def w2(n=200):
    """The SDK's documented way: RunState.to_string() kept by the host (here SQLite WAL, synchronous=FULL, 3 commits)."""
    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    c = db(d)
    a = now()
    for i in range(n):
        r = await Runner.run(ASK, str(i))
        c.execute("insert into s values(?,?,'pending')", (str(i), r.to_state().to_string()))
    b = now()
    ls = []
    for i in range(n):
        t = now()
        c.execute("update s set status='approved' where id=? and status='pending'", (str(i),))
        (s,) = c.execute("select state from s where id=?", (str(i),)).fetchone()
        st = await RunState.from_string(ASK, s)
        st.approve(st.get_interruptions()[0])
        cur = c.execute("update s set status='consumed' where id=? and status='approved'", (str(i),))
        assert cur.rowcount == 1
        r = await Runner.run(ASK, st)
        assert r.final_output == "done"
        ls.append(RESUMED[args_for(i)["order"]] - t)
    e = now()
    c.execute("pragma wal_checkpoint(truncate)")
    emit(
        "W2",
        "seq_runstate_sqlite",
        n=n,
        syncs_per=per(s0, syncs(), n),
        per_s=n / ((e - a) / 1e9),
        request_per_s=n / ((b - a) / 1e9),
        decide_per_s=n / ((e - b) / 1e9),
        **lat(ls, "wake_"),
        bytes_per=dir_bytes(d) / n,
        rss_mb=peak_rss_kb() / 1024,
        fdatasync_us=probe,
        pragma="wal/sync=2 (host glue)",
    )
    c.close()
    cleanup(d)


async def w4(n=10000):
    import gc

    await ask(10**6)
    gc.collect()
    r0 = rss_kb()
    keep = []
    a = now()
    for i in range(n):
        keep.append((await Runner.run(ASK, str(i))))
    b = now()
    gc.collect()
    r1 = rss_kb()
    c = now()
    for r in keep:
        st = r.to_state()
        st.approve(r.interruptions[0])
        await Runner.run(ASK, st)
    e = now()
    emit(
        "W4",
        "memory",
        n=n,
        rss_bytes_per=(r1 - r0) * 1024 / n,
        request_all_s=(b - a) / 1e9,
        decide_all_s=(e - c) / 1e9,
        peak_rss_mb=peak_rss_kb() / 1024,
        store="memory",
    )


async def w6():
    d = store_dir()
    c = db(d)
    r = await Runner.run(ASK, "0")
    c.execute("insert into s values('0',?,'pending')", (r.to_state().to_string(),))
    st = await RunState.from_string(ASK, c.execute("select state from s").fetchone()[0])
    st.approve(st.get_interruptions()[0])
    r = await Runner.run(ASK, st)
    assert r.final_output == "done"
    print(json.dumps({"ready": now(), "rss_mb": peak_rss_kb() / 1024}), flush=True)
    cleanup(d)


if __name__ == "__main__":
    f = sys.argv[1]
    a = [int(x) if x.isdigit() else x for x in sys.argv[2:]]
    asyncio.run(globals()[f](*a))
