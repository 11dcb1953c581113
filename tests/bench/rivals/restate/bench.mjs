// Restate peer: the server binary (npm) + the TypeScript SDK; requester handler and approver driver share this Node process,
// but every decision goes over HTTP to the server's ingress and back to the handler: Restate has no shorter path.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}; // Node 20 lacks it; the SDK needs it
import * as restate from "@restatedev/restate-sdk";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import http from "node:http";
import http2 from "node:http2";
import { fileURLToPath } from "node:url";
const HERE = path.dirname(fileURLToPath(import.meta.url));
const now = () => Number(process.hrtime.bigint());
const STORE = process.env.STORE_LABEL;
const base = process.env.BENCH_FOLDER;
const dir = fs.mkdtempSync(base + "/restate");
const P = { in: 18080, ad: 19070, node: 15122, svc: 19080 };
const args = (i) => ({
  amount_cents: 4200 + (i % 1000),
  currency: "EUR",
  customer: `cus_${String(i).padStart(8, "0")}`,
  order: `ord_${String(i).padStart(8, "0")}`,
  reason: "item arrived damaged, photos attached to ticket",
  ticket: `T-${String(i).padStart(8, "0")}`,
});
const ids = new Map(),
  woke = new Map(),
  doneW = new Map(),
  pendW = [];
const guard = restate.service({
  name: "guard",
  handlers: {
    guarded: async (ctx, { i, args }) => {
      const { id, promise } = ctx.awakeable();
      await ctx.run("publish", () => {
        ids.set(i, id);
        return true;
      });
      const d = await promise;
      if (!woke.has(i)) woke.set(i, now());
      const ok = d.type === "approve";
      doneW.get(i)?.();
      return { ok, order: args.order };
    },
  },
});
const INACT = process.env.INACTIVITY; // e.g. "1s": suspended invocations free their slot (1,000 slots by default)
const h2 = http2.createServer(
  restate
    .endpoint()
    .bind(guard)
    .setLogger(process.env.DEBUG ? (m, ...a) => console.error(...a) : () => {})
    .http2Handler(),
);
await new Promise((r) => h2.listen(P.svc, "127.0.0.1", r));
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const req = (port, method, p, body) =>
  new Promise((ok, no) => {
    const b = body === undefined ? "" : JSON.stringify(body);
    const r = http.request(
      {
        host: "127.0.0.1",
        port,
        method,
        path: p,
        agent,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(b) },
      },
      (x) => {
        let s = "";
        x.on("data", (c) => (s += c));
        x.on("end", () => (x.statusCode < 300 ? ok(s) : no(new Error(p + " " + x.statusCode + " " + s))));
      },
    );
    r.on("error", no);
    r.end(b);
  });
const t00 = now();
const env = {
  ...process.env,
  RESTATE_BASE_DIR: dir,
  RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${P.in}`,
  RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${P.ad}`,
  RESTATE_LOG_FILTER: "error",
  RESTATE_DISABLE_TELEMETRY: "true",
  RESTATE_ADMIN__DISABLE_WEB_UI: "true",
  DO_NOT_TRACK: "1",
};
if (INACT) env.RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT = INACT;
const BIN = path.join(HERE, "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server");
let cmd = [BIN];
if (process.env.STRACE)
  cmd = [
    "strace",
    "-f",
    "-c",
    "-e",
    "trace=fsync,fdatasync,sync_file_range,msync",
    "-o",
    process.env.STRACE,
    BIN,
  ];
const srv = spawn(
  cmd[0],
  [
    ...cmd.slice(1),
    "--no-logo",
    "--listen-mode",
    "tcp",
    "--bind-ip",
    "127.0.0.1",
    "--bind-port",
    String(P.node),
    "--advertised-host",
    "127.0.0.1",
  ],
  {
    env,
    stdio: [
      "ignore",
      fs.openSync(path.join(dir, "..", "restate.log"), "w"),
      fs.openSync(path.join(dir, "..", "restate.err"), "w"),
    ],
  },
);
for (let k = 0; ; k++) {
  try {
    await req(P.ad, "GET", "/health");
    await req(P.in, "GET", "/restate/health");
    break;
  } catch (e) {
    if (k > 600) throw e;
    await new Promise((r) => setTimeout(r, 50));
  }
}
const up = now();
for (let k = 0; ; k++) {
  try {
    await req(P.ad, "POST", "/deployments", { uri: `http://127.0.0.1:${P.svc}` });
    break;
  } catch (e) {
    if (k > 100) throw e;
    await new Promise((r) => setTimeout(r, 100));
  }
}
const status = (pid, k) => {
  const m = new RegExp(k + ":\\s+(\\d+)").exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(m[1]);
};
const pct = (xs, p) => {
  const s = [...xs].sort((a, b) => a - b);
  return s[Math.min(s.length - 1, Math.round((p / 100) * (s.length - 1)))] / 1e3;
};
const du = (d) =>
  fs.readdirSync(d, { withFileTypes: true }).reduce((n, e) => {
    const f = path.join(d, e.name);
    try {
      return n + (e.isDirectory() ? du(f) : fs.statSync(f).size);
    } catch {
      return n;
    }
  }, 0);
const ask = (i) => req(P.in, "POST", "/guard/guarded/send", { i, args: args(i) });
const decide = (i) => {
  const p = new Promise((r) => doneW.set(i, r));
  const t = now();
  return Promise.all([
    req(P.in, "POST", `/restate/awakeables/${ids.get(i)}/resolve`, { type: "approve" }),
    p,
  ]).then(() => t);
};
const until = async (f) => {
  while (!f()) await new Promise((r) => setTimeout(r, 2));
};
const pool = async (lo, hi, c, f) => {
  let i = lo;
  await Promise.all(
    Array.from({ length: c }, async () => {
      while (i < hi) {
        const k = i++;
        await f(k);
      }
    }),
  );
};
const emit = (w, v, o) =>
  console.log(
    JSON.stringify({
      peer: "restate_ts",
      workload: w,
      variant: v,
      store: STORE,
      ...Object.fromEntries(
        Object.entries(o).map(([k, v]) => [k, typeof v === "number" ? Math.round(v * 1000) / 1000 : v]),
      ),
    }),
  );
let firstCall = now();
const D = process.env.DEBUG ? console.error : () => {};
D("ask");
D(await ask(1e9));
D("asked");
await until(() => ids.has(1e9));
D("pending", ids.get(1e9));
await decide(1e9);
D("decided");
firstCall = now();
for (let i = 1e9 + 1; i < 1e9 + 50; i++) {
  if (process.argv[2] === "w6") break;
  await ask(i);
  await until(() => ids.has(i));
  await decide(i);
}
const [w, n] = [process.argv[2], Number(process.argv[3] ?? 300)];
if (w === "w2") {
  const b0 = du(dir),
    a = now();
  for (let i = 0; i < n; i++) {
    await ask(i);
    await until(() => ids.has(i));
  }
  const b = now();
  const ls = [];
  for (let i = 0; i < n; i++) {
    const t = await decide(i);
    ls.push(woke.get(i) - t);
  }
  const c = now();
  emit("W2", "seq", {
    n,
    per_s: n / ((c - a) / 1e9),
    request_per_s: n / ((b - a) / 1e9),
    decide_per_s: n / ((c - b) / 1e9),
    wake_p50_us: pct(ls, 50),
    wake_p99_us: pct(ls, 99),
    wake_max_us: pct(ls, 100),
    bytes_per: (du(dir) - b0) / n,
    rss_mb: status(srv.pid, "VmHWM") / 1024,
    node_rss_mb: status(process.pid, "VmHWM") / 1024,
  });
  if (process.env.SKIP_CONC) {
    const kids = process.env.STRACE
      ? fs.readFileSync(`/proc/${srv.pid}/task/${srv.pid}/children`, "utf8").trim().split(" ").map(Number)
      : [srv.pid];
    for (const k of kids) process.kill(k, "SIGTERM");
    await new Promise((r) => srv.on("exit", r));
    process.exit(0);
  }
  const n2 = n * 4,
    o = 1e6,
    a2 = now();
  await pool(o, o + n2, 64, async (i) => {
    await ask(i);
  });
  await until(() => {
    for (let i = o; i < o + n2; i++) if (!ids.has(i)) return false;
    return true;
  });
  const b2 = now();
  await pool(o, o + n2, 64, decide);
  const c2 = now();
  emit("W2", "conc64", {
    n: n2,
    per_s: n2 / ((c2 - a2) / 1e9),
    request_per_s: n2 / ((b2 - a2) / 1e9),
    decide_per_s: n2 / ((c2 - b2) / 1e9),
  });
} else if (w === "w4") {
  const r0 = status(srv.pid, "VmRSS"),
    q0 = status(process.pid, "VmRSS"),
    b0 = du(dir),
    a = now();
  let cnt = 0;
  await pool(0, n, 64, ask);
  await until(() => ids.size >= n + 50);
  const b = now();
  const r1 = status(srv.pid, "VmRSS"),
    q1 = status(process.pid, "VmRSS"),
    by = du(dir) - b0;
  const c = now();
  await pool(0, n, 64, decide);
  const e = now();
  emit("W4", "conc64" + (INACT ? "_inact" + INACT : ""), {
    n,
    rss_bytes_per: ((r1 - r0) * 1024) / n,
    node_rss_bytes_per: ((q1 - q0) * 1024) / n,
    request_all_s: (b - a) / 1e9,
    decide_all_s: (e - c) / 1e9,
    store_bytes_per: by / n,
    peak_rss_mb: status(srv.pid, "VmHWM") / 1024,
  });
} else
  emit("W6", "server_start_to_first_approval", {
    start_ms: (firstCall - t00) / 1e6,
    health_ms: (up - t00) / 1e6,
    rss_mb: status(srv.pid, "VmHWM") / 1024,
    node_rss_mb: status(process.pid, "VmHWM") / 1024,
    binary_mb: fs.statSync(BIN).size / 1048576,
  });
srv.kill("SIGTERM");
await new Promise((r) => {
  srv.on("exit", r);
  setTimeout(() => srv.kill("SIGKILL"), 8000).unref();
});
fs.rmSync(dir, { recursive: true, force: true });
process.exit(0);
