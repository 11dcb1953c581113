"""Shared helpers of the Python peers. One JSON line per result goes to stdout."""

import hashlib, json, os, resource, shutil, statistics, sys, tempfile, time

PEER = os.environ.get("PEER", "?")


def args_for(i: int) -> dict:
    """The ONE action every workload guards: tool 'refund', ~180 B of canonical JSON."""
    return {
        "amount_cents": 4200 + i % 1000,
        "currency": "EUR",
        "customer": f"cus_{i:08d}",
        "order": f"ord_{i:08d}",
        "reason": "item arrived damaged, photos attached to ticket",
        "ticket": f"T-{i:08d}",
    }


def canonical(a: dict) -> bytes:
    return json.dumps(a, sort_keys=True, separators=(",", ":")).encode()


def refund(a: dict) -> dict:
    """The guarded tool: does nothing but return."""
    return {"ok": True, "order": a["order"]}


def now() -> int:
    return time.monotonic_ns()  # CLOCK_MONOTONIC: comparable across processes of one host


def pct(xs, p):
    xs = sorted(xs)
    if not xs:
        return None
    k = min(len(xs) - 1, max(0, round(p / 100 * (len(xs) - 1))))
    return xs[k]


def rss_kb(pid="self") -> int:
    with open(f"/proc/{pid}/status") as f:
        for l in f:
            if l.startswith("VmRSS"):
                return int(l.split()[1])
    return 0


def peak_rss_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def store_dir() -> str:
    """A new empty folder on the kind of disk that is measured."""
    return tempfile.mkdtemp(dir=os.environ["BENCH_FOLDER"])


def dir_bytes(path) -> int:
    n = 0
    for r, _, fs in os.walk(path):
        for f in fs:
            try:
                n += os.path.getsize(os.path.join(r, f))
            except OSError:
                pass
    return n


def syncs(name="FSYNC_COUNT"):
    """fsync/fdatasync/msync calls so far, where they are counted."""
    p = os.environ.get(name)
    try:
        return int.from_bytes(open(p, "rb").read(8), "little") if p else None
    except OSError:
        return None


def per(a, b, n):
    return None if a is None or b is None else round((b - a) / n, 2)


def fsync_probe(path, n=60) -> float:
    """Median microseconds of append 512 B + fdatasync in this folder right now (the disk drifts)."""
    p = os.path.join(path, ".probe")
    fd = os.open(p, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    ts = []
    for _ in range(n):
        t = now()
        os.write(fd, b"x" * 512)
        os.fdatasync(fd)
        ts.append(now() - t)
    os.close(fd)
    os.unlink(p)
    return round(statistics.median(ts) / 1e3, 1)


def emit(workload, variant, **kw):
    d = {
        "peer": PEER,
        "workload": workload,
        "variant": variant,
        "store": kw.pop("store", None) or os.environ["STORE_LABEL"],
    }
    for k, v in kw.items():
        d[k] = round(v, 3) if isinstance(v, float) else v
    print(json.dumps(d), flush=True)


def lat(xs_ns, prefix="") -> dict:
    us = [x / 1e3 for x in xs_ns]
    return {
        prefix + "p50_us": pct(us, 50),
        prefix + "p99_us": pct(us, 99),
        prefix + "max_us": max(us) if us else None,
    }


def cleanup(path):
    shutil.rmtree(path, ignore_errors=True)
