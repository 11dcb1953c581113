"""Python tamper-evident / HITL ledgers: agentguard-oss, approval-ledger, approval-gate, pymerkle."""

import os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bench import *


def rec(i):
    return json.dumps(
        {
            "seq": i,
            "type": "approval.decided",
            "request": f"apr_{i:016}",
            "approver": "alice",
            "decision": "approve",
            "args": args_for(i),
        },
        separators=(",", ":"),
    ).encode()


# ---- agentguard-oss -------------------------------------------------------------------
def mk_guard(d, effect, approval=None, key=None):
    from agentguard import Guard
    from agentguard.audit.logger import AuditLogger

    g = Guard(
        {
            "version": 1,
            "defaults": {"effect": "deny"},
            "capabilities": {"payments.refund": {"risk": 20}},
            "rules": [{"capability": "payments.refund", "effect": effect}],
            "limits": LIMITS,
        },
        audit=AuditLogger(os.path.join(d, "audit.jsonl"), signing_key=key),
        approval=approval,
    )

    @g.tool(capability="payments.refund")
    def refund_tool(
        amount_cents: int, currency: str, customer: str, order: str, reason: str, ticket: str
    ) -> dict:
        RESUMED[order] = now()
        return {"ok": True, "order": order}

    return g, refund_tool


RESUMED = {}
LIMITS = {"max_calls_per_minute": 1000000}


def agentguard_w1(n=200):
    """allow / ask answered in-process; this guard ALWAYS fsyncs its audit, so this row is durable (see W2)."""
    from agentguard import Approval

    class Yes:
        def request(self, action, decision):
            return Approval(True, approved_by="alice", strong=True)

    for v, eff, ap in (("agentguard_allow", "allow", None), ("agentguard_ask_immediate", "ask", Yes())):
        d = store_dir()
        g, f = mk_guard(d, eff, ap, b"k" * 32)
        ts = []
        c0 = time.process_time()
        for i in range(n):
            with g.new_session():
                a = now()
                r = f(**args_for(i))
                ts.append(now() - a)
                assert r["ok"]
        emit("W1", v, n=n, cpu_us=(time.process_time() - c0) / n * 1e6, mean_us=sum(ts) / n / 1e3, **lat(ts))
        cleanup(d)


def agentguard_w2(n=150):
    """QueueApproval(store, wait=0): ApprovalPending is raised, an approver resolves in the store, the retried call uses the one-time grant."""
    from agentguard import ApprovalPending
    from agentguard.approval.queue import QueueApproval
    from agentguard.approval.store import ApprovalStore

    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    st = ApprovalStore(os.path.join(d, "ap.sqlite"))
    q = QueueApproval(st)
    st.add_approver("alice")
    g, f = mk_guard(d, "ask", q, b"k" * 32)
    ids = []
    ss = []
    a = now()
    for i in range(n):
        s = g.new_session()
        ss.append(s)
        with s:
            try:
                f(**args_for(i))
                assert False
            except ApprovalPending as e:
                ids.append(e.request_id)
    b = now()
    ls = []
    for i in range(n):
        t = now()
        resolve(st, ids[i])
        with ss[i]:
            assert f(**args_for(i))["ok"]
        ls.append(RESUMED[args_for(i)["order"]] - t)
    c = now()
    emit(
        "W2",
        "agentguard_queue",
        n=n,
        syncs_per=per(s0, syncs(), n),
        per_s=n / ((c - a) / 1e9),
        request_per_s=n / ((b - a) / 1e9),
        decide_per_s=n / ((c - b) / 1e9),
        **lat(ls, "wake_"),
        bytes_per=dir_bytes(d) / n,
        rss_mb=peak_rss_kb() / 1024,
        fdatasync_us=probe,
        pragma="sqlite wal/sync=2 + fsynced jsonl; wake = retry by the caller",
    )
    cleanup(d)


def resolve(st, rid):
    return st.resolve(rid, approved=True, approver="alice", scope="once")


def agentguard_w5(m=1000):
    from agentguard.audit.logger import AuditLogger
    from agentguard.audit.reader import read_log

    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    l = AuditLogger(os.path.join(d, "a.jsonl"), signing_key=b"k" * 32)
    a = now()
    for i in range(m):
        l.append(
            {
                "stage": "decided",
                "request": f"apr_{i:016}",
                "approver": "alice",
                "decision": "approve",
                "arguments": args_for(i),
            }
        )
    b = now()
    by = os.path.getsize(os.path.join(d, "a.jsonl"))
    ev = read_log(os.path.join(d, "a.jsonl"), b"k" * 32)
    c = now()
    assert len(ev) == m
    emit(
        "W5",
        "agentguard_hmac_fsync",
        m=m,
        syncs_per=per(s0, syncs(), m),
        append_per_s=m / ((b - a) / 1e9),
        append_us=(b - a) / m / 1e3,
        verify_per_s=m / ((c - b) / 1e9),
        bytes_per=by / m,
        fdatasync_us=probe,
    )
    cleanup(d)


# ---- approval-ledger ------------------------------------------------------------------
def ledger_w2(n=200):
    from approval_ledger import SQLiteLedger

    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    L = SQLiteLedger(os.path.join(d, "l.sqlite"))
    jm = L._connection.execute("pragma journal_mode").fetchone()[0]
    sy = L._connection.execute("pragma synchronous").fetchone()[0]
    a = now()
    acts = [L.create_action({"tool": "refund", "args": args_for(i)}) for i in range(n)]
    b = now()
    ls = []

    def disp(p, key):
        disp.t = now()
        return refund(p["args"])["order"]

    for x in acts:
        t = now()
        L.approve(x.id, x.digest, approver="alice")
        r = L.dispatch(x.id, disp)
        assert r.status == "completed"
        ls.append(disp.t - t)
    c = now()
    emit(
        "W2",
        "approval_ledger",
        n=n,
        syncs_per=per(s0, syncs(), n),
        per_s=n / ((c - a) / 1e9),
        request_per_s=n / ((b - a) / 1e9),
        decide_per_s=n / ((c - b) / 1e9),
        **lat(ls, "wake_"),
        bytes_per=dir_bytes(d) / n,
        rss_mb=peak_rss_kb() / 1024,
        fdatasync_us=probe,
        pragma=f"{jm}/sync={sy}; caller drives dispatch",
    )
    cleanup(d)


# ---- approval-gate --------------------------------------------------------------------
def gate_w2(n=200):
    """BlockingBackend answered in-process: pending row, decision row, result row = 3 SQLite commits."""
    from approval_gate.core import ApprovalGate
    from approval_gate.backends import BlockingBackend

    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    T = {}

    def yes(p):
        T["t"] = now()
        return {"decision": "approve", "by": "alice"}

    g = ApprovalGate(db_path=os.path.join(d, "g.sqlite"), backend=BlockingBackend(yes))
    ls = []
    a = now()
    for i in range(n):
        x = g.request_approval("refund", args_for(i), thread_id=str(i))
        ls.append(now() - T["t"])
        assert x.approved
        r = refund(x.args)
        g.log_result(x.audit_id, r)
    c = now()
    g.audit._conn.execute("pragma wal_checkpoint(truncate)")
    emit(
        "W2",
        "approval_gate_blocking",
        n=n,
        syncs_per=per(s0, syncs(), n),
        per_s=n / ((c - a) / 1e9),
        **lat(ls, "wake_"),
        bytes_per=dir_bytes(d) / n,
        rss_mb=peak_rss_kb() / 1024,
        fdatasync_us=probe,
        pragma="wal/sync=2; rows are mutable: no tamper evidence",
    )
    g.close()
    cleanup(d)


# ---- pymerkle -------------------------------------------------------------------------
def pymerkle_w5(m=10000, kind="memory"):
    from pymerkle import InmemoryTree, SqliteTree, verify_inclusion

    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    t = InmemoryTree(algorithm="sha256") if kind == "memory" else SqliteTree(os.path.join(d, "m.sqlite"))
    a = now()
    for i in range(m):
        t.append_entry(rec(i))
    b = now()
    root = t.get_root()
    c = now()
    g = []
    v = []
    sz = 0
    for j in range(200):
        i = j * 7919 % m + 1
        x = now()
        p = t.prove_inclusion(i, m)
        g.append(now() - x)
        leaf = t.get_leaf(i)
        x = now()
        verify_inclusion(leaf, root, p)
        v.append(now() - x)
        sz = len(p.serialize()["path"]) * 32 if hasattr(p, "serialize") else 0
    ver = None
    x = now()
    t2 = InmemoryTree(algorithm="sha256")
    for i in range(m):
        t2.append_entry(t.get_entry(i + 1) if kind != "memory" else rec(i))
    assert t2.get_root() == root
    ver = m / ((now() - x) / 1e9)
    emit(
        "W5",
        "pymerkle_" + kind,
        m=m,
        syncs_per=per(s0, syncs(), m),
        append_per_s=m / ((b - a) / 1e9),
        append_us=(b - a) / m / 1e3,
        root_us=(c - b) / 1e3,
        verify_per_s=ver,
        prove_p50_us=pct(g, 50) / 1e3,
        verify_proof_p50_us=pct(v, 50) / 1e3,
        proof_bytes=sz,
        bytes_per=dir_bytes(d) / m if kind != "memory" else None,
        fdatasync_us=probe,
        store="memory" if kind == "memory" else None,
    )
    cleanup(d)


def agentguard_w6():
    from agentguard import Approval

    class Yes:
        def request(self, action, decision):
            return Approval(True, approved_by="alice", strong=True)

    d = store_dir()
    g, f = mk_guard(d, "ask", Yes(), b"k" * 32)
    assert f(**args_for(0))["ok"]
    print(json.dumps({"ready": now(), "rss_mb": peak_rss_kb() / 1024}), flush=True)
    cleanup(d)


if __name__ == "__main__":
    f = sys.argv[1]
    globals()[f](*[int(x) if x.isdigit() else x for x in sys.argv[2:]])
