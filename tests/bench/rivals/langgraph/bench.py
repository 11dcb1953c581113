import asyncio, os, sqlite3, sys, threading

T0 = __import__("time").monotonic_ns()
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bench import *
from typing import Any
from typing_extensions import TypedDict
from langgraph.graph import StateGraph, START, END
from langgraph.types import interrupt, Command
from langgraph.checkpoint.memory import InMemorySaver

RESUMED = {}  # order -> ns when the tool body starts after the decision


class S(TypedDict, total=False):
    args: dict
    result: Any


def allow_node(state):  # "policy" is the host's own code: one dict look-up
    if POLICY.get("refund") == "allow":
        return {"result": refund(state["args"])}
    return {"result": {"ok": False}}


def ask_node(state):
    d = interrupt({"tool": "refund", "args": state["args"]})
    RESUMED[state["args"]["order"]] = now()
    if d["type"] != "approve":
        return {"result": {"ok": False}}
    return {"result": refund(state["args"])}


POLICY = {"refund": "allow"}


def build(node, saver=None):
    g = StateGraph(S)
    g.add_node("guarded", node)
    g.add_edge(START, "guarded")
    g.add_edge("guarded", END)
    return g.compile(checkpointer=saver)


def cfg(t):
    return {"configurable": {"thread_id": str(t)}}


def w1(n=1500):
    g0 = build(allow_node)
    for variant, fn in (("allow_no_checkpointer", lambda i: g0.invoke({"args": args_for(i)})),):
        run_w1(variant, fn, n)
    ga = build(allow_node, InMemorySaver())
    run_w1("allow", lambda i: ga.invoke({"args": args_for(i)}, cfg(i)), n)
    gb = build(ask_node, InMemorySaver())

    def ask(i):
        r = gb.invoke({"args": args_for(i)}, cfg(i))
        assert r["__interrupt__"]
        return gb.invoke(Command(resume={"type": "approve"}), cfg(i))

    run_w1("ask_immediate", ask, n)


def run_w1(variant, fn, n):
    for i in range(50):
        fn(-i - 1)
    ts = []
    c0 = time.process_time()
    for i in range(n):
        a = now()
        r = fn(i)
        ts.append(now() - a)
        assert r["result"]["ok"]
    emit(
        "W1",
        variant,
        n=n,
        cpu_us=(time.process_time() - c0) / n * 1e6,
        mean_us=sum(ts) / n / 1e3,
        **lat(ts),
        store="memory",
    )


def hitl(n=400):
    """LangChain create_agent + HumanInTheLoopMiddleware with a scripted model (2 model turns)."""
    from langchain.agents import create_agent
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.tools import tool

    class Fake(BaseChatModel):
        @property
        def _llm_type(self):
            return "fake"

        def bind_tools(self, tools, **kw):
            return self

        def _generate(self, messages, stop=None, run_manager=None, **kw):
            if isinstance(messages[-1], ToolMessage):
                m = AIMessage("done")
            else:
                m = AIMessage(
                    "", tool_calls=[{"name": "refund_tool", "args": {"a": args_for(1)}, "id": "c1"}]
                )
            return ChatResult(generations=[ChatGeneration(message=m)])

    @tool
    def refund_tool(a: dict) -> str:
        "refund"
        return json.dumps(refund(a))

    for variant, mw, cp in (
        ("allow_no_middleware", [], False),
        ("allow", [HumanInTheLoopMiddleware(interrupt_on={"other": True})], True),
        ("ask_immediate", [HumanInTheLoopMiddleware(interrupt_on={"refund_tool": True})], True),
    ):
        ag = create_agent(Fake(), [refund_tool], middleware=mw, checkpointer=InMemorySaver() if cp else None)

        def fn(i):
            r = ag.invoke({"messages": [("user", "refund it")]}, cfg(i))
            if variant == "ask_immediate":
                assert r["__interrupt__"]
                r = ag.invoke(Command(resume={"decisions": [{"type": "approve"}]}), cfg(i))
            assert r["messages"][-1].content == "done"

        for i in range(20):
            fn(-i - 1)
        ts = []
        c0 = time.process_time()
        for i in range(n):
            a = now()
            fn(i)
            ts.append(now() - a)
        emit(
            "W1",
            "hitl_" + variant,
            n=n,
            cpu_us=(time.process_time() - c0) / n * 1e6,
            mean_us=sum(ts) / n / 1e3,
            **lat(ts),
            store="memory",
        )


def w2(n=300, durability="sync"):
    from langgraph.checkpoint.sqlite import SqliteSaver

    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    conn = sqlite3.connect(os.path.join(d, "cp.sqlite"), check_same_thread=False)
    saver = SqliteSaver(conn)
    saver.setup()
    sync = conn.execute("pragma synchronous").fetchone()[0]
    jm = conn.execute("pragma journal_mode").fetchone()[0]
    g = build(ask_node, saver)
    r0 = rss_kb()
    a = now()
    for i in range(n):
        r = g.invoke({"args": args_for(i)}, cfg(i), durability=durability)
        assert r["__interrupt__"]
    b = now()
    ls = []
    for i in range(n):
        t = now()
        r = g.invoke(Command(resume={"type": "approve"}), cfg(i), durability=durability)
        ls.append(RESUMED[args_for(i)["order"]] - t)
        assert r["result"]["ok"]
    c = now()
    conn.execute("pragma wal_checkpoint(truncate)")
    emit(
        "W2",
        "seq_" + durability,
        n=n,
        syncs_per=per(s0, syncs(), n),
        per_s=n / ((c - a) / 1e9),
        request_per_s=n / ((b - a) / 1e9),
        decide_per_s=n / ((c - b) / 1e9),
        **lat(ls, "wake_"),
        bytes_per=dir_bytes(d) / n,
        rss_mb=peak_rss_kb() / 1024,
        fdatasync_us=probe,
        pragma=f"{jm}/sync={sync}",
    )
    conn.close()
    cleanup(d)


def pg_url():
    return os.environ["PGURL"]


def w3_requester(n=200):
    """Requester process: raises N interrupts (PostgresSaver). The approver process resumes the graph itself:
    LangGraph has no wake-up of a waiting process; the decider drives the resume."""
    from langgraph.checkpoint.postgres import PostgresSaver
    import psycopg
    from psycopg.rows import dict_row

    run = os.environ["RUNID"]
    conn = psycopg.connect(pg_url(), autocommit=True, prepare_threshold=0, row_factory=dict_row)
    s = PostgresSaver(conn)
    s.setup()
    g = build(ask_node, s)
    a = now()
    for i in range(n):
        r = g.invoke({"args": args_for(i)}, cfg(f"{run}-{i}"), durability="sync")
        assert r["__interrupt__"]
    print(json.dumps({"request_s": (now() - a) / 1e9}), flush=True)


def w3_approver(n=200):
    from langgraph.checkpoint.postgres import PostgresSaver
    import psycopg
    from psycopg.rows import dict_row

    run = os.environ["RUNID"]
    conn = psycopg.connect(pg_url(), autocommit=True, prepare_threshold=0, row_factory=dict_row)
    s = PostgresSaver(conn)
    g = build(ask_node, s)
    ls = []
    a = now()
    for i in range(n):
        t = now()
        r = g.invoke(Command(resume={"type": "approve"}), cfg(f"{run}-{i}"), durability="sync")
        ls.append(RESUMED[args_for(i)["order"]] - t)
        assert r["result"]["ok"]
    print(json.dumps({"decide_s": (now() - a) / 1e9, **lat(ls, "wake_")}), flush=True)


def w3(n=200):
    import subprocess, uuid

    env = dict(os.environ, RUNID=uuid.uuid4().hex)
    subprocess.check_output([sys.executable, __file__, "w3_requester", "1"], env=dict(env, RUNID="warm"))
    s0 = syncs("PG_FSYNC_COUNT")
    rq = json.loads(
        subprocess.check_output([sys.executable, __file__, "w3_requester", str(n)], env=env).splitlines()[-1]
    )
    ap = json.loads(
        subprocess.check_output([sys.executable, __file__, "w3_approver", str(n)], env=env).splitlines()[-1]
    )
    emit(
        "W3",
        "decider_resumes",
        n=n,
        syncs_per=per(s0, syncs("PG_FSYNC_COUNT"), n),
        per_s=n / (rq["request_s"] + ap.pop("decide_s")),
        **ap,
    )


def w4(n=10000, saver="memory"):
    d = None
    if saver == "memory":
        s = InMemorySaver()
    else:
        from langgraph.checkpoint.sqlite import SqliteSaver

        d = store_dir()
        conn = sqlite3.connect(os.path.join(d, "cp.sqlite"), check_same_thread=False)
        s = SqliteSaver(conn)
    g = build(ask_node, s)
    g.invoke({"args": args_for(-1)}, cfg(-1))
    g.invoke(Command(resume={"type": "approve"}), cfg(-1))
    import gc

    gc.collect()
    r0 = rss_kb()
    a = now()
    for i in range(n):
        g.invoke({"args": args_for(i)}, cfg(i), durability="sync")
    b = now()
    gc.collect()
    r1 = rss_kb()
    by = dir_bytes(d) / n if d else None
    c = now()
    for i in range(n):
        g.invoke(Command(resume={"type": "approve"}), cfg(i), durability="sync")
    e = now()
    emit(
        "W4",
        saver,
        n=n,
        rss_bytes_per=(r1 - r0) * 1024 / n,
        request_all_s=(b - a) / 1e9,
        decide_all_s=(e - c) / 1e9,
        store_bytes_per=by,
        peak_rss_mb=peak_rss_kb() / 1024,
        store="memory" if saver == "memory" else None,
    )
    if d:
        cleanup(d)


def w6():
    """process start -> first guarded call done (approve at once, SqliteSaver on disk)"""
    from langgraph.checkpoint.sqlite import SqliteSaver

    d = store_dir()
    conn = sqlite3.connect(os.path.join(d, "cp.sqlite"), check_same_thread=False)
    g = build(ask_node, SqliteSaver(conn))
    g.invoke({"args": args_for(0)}, cfg(0))
    r = g.invoke(Command(resume={"type": "approve"}), cfg(0))
    assert r["result"]["ok"]
    print(json.dumps({"ready": now(), "rss_mb": peak_rss_kb() / 1024}), flush=True)
    cleanup(d)


if __name__ == "__main__":
    f = sys.argv[1]
    a = [int(x) if x.isdigit() else x for x in sys.argv[2:]]
    globals()[f](*a)
