// The control channel: on a port of its own, so that no route of the Worker can be mistaken for it.
//
//   POST /__host/scheduled {cron?, scheduled_time?}   runs `scheduled`, waits for its waitUntil tasks
//   POST /__host/tail {events}                        runs `tail` with these, as TraceItems
//   POST /__host/evict {binding?, name?}              evicts Durable Objects from memory
//   POST /__host/alarms {binding?, name?}             fires the alarms that are set, due or not
//   POST /__host/secret {store_id, name, …}           puts a secret into a store: value, error, never or held
//   POST /__host/apply {binding}                      applies what was written to a Vectorize index, due or not
//   POST /__host/cf {…}                               what `request.cf` is for the requests that follow
//   GET  /__host/state                                contents of the bindings
//   GET  /__host/memory                               how much there is: the interpreter's, Node's heap, buffers
//   GET  /__host/tasks                                unfinished tasks of Python, likewise: {count, of: [coroutine]}
//   GET  /__host/proxies                              live Python proxies, once all invocations have ended (at most 30 s):
//                                                     {count, of: [{invocation, collected, …}]}

import { createServer } from "node:http";

import { clock } from "./clock.mjs";
import { describe, Invocation, outside } from "./context.mjs";
import { VectorizeIndexImpl } from "../vectorize.mjs";
import { log } from "./log.mjs";
import { invoke } from "./server.mjs";
import { traceItem } from "./trace.mjs";

export class ScheduledController {
  constructor(cron, scheduledTime) {
    this.cron = cron;
    this.scheduledTime = scheduledTime;
  }
  noRetry() {}
}

const SETTLE_MS = 30_000;

/** What still runs has tasks and proxies of its own, so they are counted when it has ended. */
async function settled(runtime) {
  const ended = Promise.all([...runtime.invocations].map((context) => context.dead));
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, SETTLE_MS).unref())]);
}

/** Runs a handler that answers nobody, to the end of its waitUntil tasks. */
async function run(runtime, name, first) {
  const context = new Invocation(name, runtime.limits);
  runtime.invocations.add(context);
  clock.advance();
  let outcome = { outcome: "ok" };
  try {
    await context.run(() => invoke(runtime, context, name, (executionContext) => [first, runtime.env, executionContext]));
  } catch (error) {
    log("error", [`Uncaught ${describe(error)}`], { kind: "exception" });
    outcome = { outcome: "exception", error: describe(error) };
  }
  context.end();
  await context.dead;
  runtime.invocations.delete(context);
  return outcome;
}

const chosen = (runtime, { binding, name }) =>
  runtime.namespaces
    .filter(([key]) => binding === undefined || key === binding)
    .flatMap(([, namespace]) => namespace.actors)
    .filter((actor) => name === undefined || actor.id.name === name);

const ROUTES = {
  "POST /__host/scheduled": (runtime, { cron, scheduled_time: at }) =>
    run(runtime, "scheduled", new ScheduledController(cron ?? runtime.crons[0] ?? "* * * * *", at ?? clock.real())),
  "POST /__host/tail": (runtime, { events }) => run(runtime, "tail", (events ?? []).map(traceItem)),
  "POST /__host/evict": (runtime, which) => ({ evicted: chosen(runtime, which).filter((actor) => actor.evict()).length }),
  "POST /__host/alarms": async (runtime, which) => {
    const fired = await Promise.all(chosen(runtime, which).map((actor) => actor.fireAlarm()));
    return { fired: fired.filter(Boolean).length };
  },
  "POST /__host/secret": (runtime, { store_id: store, name, ...held }) => {
    (runtime.secretsStores[store] ??= {})[name] = held;
    return {};
  },
  "POST /__host/apply": (runtime, { binding }) => {
    VectorizeIndexImpl.applyAll(runtime.inspectable.find(([name]) => name === binding)[1]);
    return {};
  },
  "POST /__host/cf": (runtime, cf) => {
    runtime.cf = cf;
    return cf;
  },
  "GET /__host/state": (runtime) => ({
    bindings: Object.fromEntries(runtime.inspectable.map(([name, binding]) => [name, binding.state()])),
    invocations: [...runtime.invocations].map(({ id, kind, what, pending, tasks, answered, open }) => ({
      id, kind, what, pending, wait_until: tasks.size, answered, connections: open,
    })),
  }),
  // The interpreter's memory never shrinks: how much of it there is tells the most that was ever in use.
  "GET /__host/memory": (runtime) => {
    globalThis.gc?.(); // with `--expose-gc` among the options of Node
    const { heapUsed, external } = process.memoryUsage();
    return { interpreter_bytes: runtime.interpreter.pyodide._module.HEAP8.length, heap_bytes: heapUsed, external_bytes: external };
  },
  "GET /__host/tasks": async (runtime) => {
    await settled(runtime);
    const of = runtime.interpreter.entrypoints.unfinished();
    return { count: of.length, of };
  },
  "GET /__host/proxies": async (runtime) => {
    await settled(runtime);
    return { count: runtime.liveProxies.count, of: runtime.liveProxies.report() };
  },
};

async function bodyOf(message) {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? {} : JSON.parse(text);
}

export async function listenForControl(runtime) {
  const server = createServer((message, answer) => outside(async () => {
    const send = (status, value) => {
      answer.writeHead(status, { "content-type": "application/json" });
      answer.end(JSON.stringify(value));
    };
    try {
      const route = ROUTES[`${message.method} ${message.url}`];
      if (route) send(200, await route(runtime, await bodyOf(message)));
      else send(404, { error: "no such route", routes: Object.keys(ROUTES) });
    } catch (error) {
      send(500, { error: describe(error) });
    }
  }));
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return { server, port: server.address().port };
}
