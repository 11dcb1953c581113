import asyncio, logging, os, sqlite3, subprocess, sys, threading, uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from bench import *
from dbos import DBOS, DBOSClient, SetWorkflowID

RESUMED = {}
DONE = {}


@DBOS.step()
async def do_refund(a: dict) -> dict:
    RESUMED[a["order"]] = now()
    return refund(a)


@DBOS.workflow()
async def guarded(a: dict) -> dict:
    d = await DBOS.recv_async("approval", timeout_seconds=86400)
    RESUMED[a["order"]] = now()
    if not d or d["type"] != "approve":
        return {"ok": False}
    return refund(a)


def make(url, poll=None):
    c = {"name": "bench", "system_database_url": url, "log_level": "ERROR", "application_version": "1"}
    if poll:
        c["notification_listener_polling_interval_sec"] = poll
    DBOS(config=c)
    logging.getLogger("dbos").setLevel(logging.ERROR)
    DBOS.launch()


async def start(i, run=""):
    with SetWorkflowID(f"w{run}-{i}"):
        return await DBOS.start_workflow_async(guarded, args_for(i))


def ckpt(p, d):
    c = sqlite3.connect(p)
    c.execute("pragma wal_checkpoint(truncate)")
    c.close()
    return dir_bytes(d)


def pending_count(path):
    c = sqlite3.connect(path, timeout=30)
    try:
        return c.execute(
            "select count(*) from operation_outputs where function_name='DBOS.sleep'"
        ).fetchone()[0]
    finally:
        c.close()


async def wait_pending(path, n):
    while pending_count(path) < n:
        await asyncio.sleep(0.05)


async def w2(n=200, mode="default"):
    """default: DBOS defaults (rollback journal, 1 s poll). tuned: WAL file + 10 ms poll."""
    d = store_dir()
    probe = fsync_probe(d)
    s0 = syncs()
    p = os.path.join(d, "dbos.sqlite")
    if mode == "tuned":
        c = sqlite3.connect(p)
        c.execute("pragma journal_mode=wal")
        c.close()
    make(f"sqlite:///{p}", 0.01 if mode == "tuned" else None)
    c = sqlite3.connect(p)
    jm = c.execute("pragma journal_mode").fetchone()[0]
    sy = c.execute("pragma synchronous").fetchone()[0]
    c.close()
    a = now()
    hs = []
    for i in range(n):
        hs.append(await start(i))
    await wait_pending(p, n)
    b = now()
    ls = []
    k = n // 2 if mode == "tuned" else min(10, n // 2)
    for i in range(k):  # closed loop: one decision at a time, the others stay pending
        t = now()
        await DBOS.send_async(f"w-{i}", {"type": "approve"}, "approval")
        assert (await hs[i].get_result())["ok"]
        ls.append(RESUMED[args_for(i)["order"]] - t)
    c1 = now()
    for i in range(k, n):
        await DBOS.send_async(f"w-{i}", {"type": "approve"}, "approval")  # burst
    for i in range(k, n):
        assert (await hs[i].get_result())["ok"]
    e = now()
    emit(
        "W2",
        "sqlite_" + mode,
        n=n,
        syncs_per=per(s0, syncs(), n),
        per_s=n / ((b - a) / 1e9 + (e - c1) / 1e9 * n / (n - k)),
        request_per_s=n / ((b - a) / 1e9),
        decide_per_s=(n - k) / ((e - c1) / 1e9),
        **lat(ls, "wake_"),
        bytes_per=ckpt(p, d) / n,
        rss_mb=peak_rss_kb() / 1024,
        fdatasync_us=probe,
        pragma=f"{jm}/sync={sy}/poll={0.01 if mode == 'tuned' else 1.0}s",
    )
    DBOS.destroy()
    cleanup(d)


async def w4(n=10000, mode="default"):
    d = store_dir()
    p = os.path.join(d, "dbos.sqlite")
    if mode == "tuned":
        c = sqlite3.connect(p)
        c.execute("pragma journal_mode=wal")
        c.close()
    make(f"sqlite:///{p}")
    h = await start(-1)
    await DBOS.send_async("w--1", {"type": "approve"}, "approval")
    await h.get_result()
    import gc

    gc.collect()
    r0 = rss_kb()
    a = now()
    hs = []
    for i in range(n):
        hs.append(await start(i))
    await wait_pending(p, n)
    b = now()
    gc.collect()
    r1 = rss_kb()
    by = dir_bytes(d) / n
    c = now()
    for i in range(n):
        await DBOS.send_async(f"w-{i}", {"type": "approve"}, "approval")
    for h in hs:
        await h.get_result()
    e = now()
    emit(
        "W4",
        "sqlite_" + mode,
        n=n,
        rss_bytes_per=(r1 - r0) * 1024 / n,
        request_all_s=(b - a) / 1e9,
        decide_all_s=(e - c) / 1e9,
        store_bytes_per=by,
        peak_rss_mb=peak_rss_kb() / 1024,
    )
    DBOS.destroy()
    cleanup(d)


def pgcount(run):
    import psycopg

    with psycopg.connect(os.environ["PGURL"]) as c:
        return c.execute(
            "select count(*) from dbos.operation_outputs where function_name='DBOS.sleep' and workflow_uuid like %s",
            (f"w{run}-%",),
        ).fetchone()[0]


async def w3(n=200):
    """requester = this process (workflows waiting in recv); approver = another process (DBOSClient.send)."""
    run = uuid.uuid4().hex[:8]
    make(os.environ["PGURL"])
    h = await start(-1, run)
    await DBOS.send_async(f"w{run}--1", {"type": "approve"}, "approval")
    await h.get_result()
    s0 = syncs("PG_FSYNC_COUNT")
    a = now()
    hs = []
    for i in range(n):
        hs.append(await start(i, run))
    while pgcount(run) < n:
        await asyncio.sleep(0.05)
    b = now()
    k = n // 2
    p = subprocess.Popen(
        [sys.executable, __file__, "w3_approver", str(n), str(k), run],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    loop = asyncio.get_running_loop()
    t = {}
    for i in range(k):  # closed loop: tell the approver to decide i, wait for the resume here
        p.stdin.write(f"{i}\n")
        p.stdin.flush()
        assert (await hs[i].get_result())["ok"]
    c1 = now()
    p.stdin.write("burst\n")
    p.stdin.flush()
    for i in range(k, n):
        assert (await hs[i].get_result())["ok"]
    e = now()
    p.stdin.write("end\n")
    p.stdin.flush()
    out = json.loads(p.stdout.readlines()[-1])
    p.wait()
    ls = [RESUMED[args_for(i)["order"]] - out[i] for i in range(k)]
    emit(
        "W3",
        "listen_notify",
        n=n,
        syncs_per=per(s0, syncs("PG_FSYNC_COUNT"), n),
        per_s=n / ((b - a) / 1e9 + (e - c1) / 1e9 * n / (n - k)),
        request_per_s=n / ((b - a) / 1e9),
        decide_per_s=(n - k) / ((e - c1) / 1e9),
        **lat(ls, "wake_"),
        rss_mb=peak_rss_kb() / 1024,
    )
    DBOS.destroy()


def w3_approver(n, k, run):
    c = DBOSClient(system_database_url=os.environ["PGURL"])
    t = []
    for line in sys.stdin:
        line = line.strip()
        if line == "burst":
            for i in range(k, n):
                c.send(f"w{run}-{i}", {"type": "approve"}, "approval")
        elif line == "end":
            break
        else:
            t.append(now())
            c.send(f"w{run}-{line}", {"type": "approve"}, "approval")
    print(json.dumps(t), flush=True)


async def w6():
    d = store_dir()
    p = os.path.join(d, "dbos.sqlite")
    make(f"sqlite:///{p}", 0.01)
    h = await start(0)
    await DBOS.send_async("w-0", {"type": "approve"}, "approval")
    assert (await h.get_result())["ok"]
    print(json.dumps({"ready": now(), "rss_mb": peak_rss_kb() / 1024}), flush=True)
    cleanup(d)
    os._exit(0)


if __name__ == "__main__":
    f = sys.argv[1]
    a = [int(x) if x.isdigit() and len(x) < 8 else x for x in sys.argv[2:]]
    fn = globals()[f]
    asyncio.run(fn(*a)) if asyncio.iscoroutinefunction(fn) else fn(*a)
