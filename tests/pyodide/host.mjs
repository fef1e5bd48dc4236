// Runs a Cloudflare Python Worker under Pyodide in Node, under the rules of the production runtime.
//
//   node host.mjs [config.json]      (or the JSON on stdin)
//
// Config: {src, modules, pyodide, main, vars?, bindings?, port?, cf?, limits?, flags?, inject?, bytecode?}; paths are of this machine,
// `main` is the entry module's file inside `src`, `bindings` mirrors wrangler.toml:
//   {kv_namespaces: [{binding}], r2_buckets: [{binding}], analytics_engine_datasets: [{binding}],
//    ratelimits: [{name, simple: {limit, period}}], durable_objects: [{binding, class_name, sqlite?}], crons: [..],
//    secrets_store_secrets: [{binding, store_id, secret_name}], secrets_stores: {store_id: {name: {value}}}, services: [{binding}],
//    vectorize?: [{binding, dimensions, metadata_indexes?, delay_ms?}], ai?: {binding, url}, automatic_alarms?: true}; `url` is a server that answers POST /run/{model}
// `inject` is the path of a JavaScript module whose default export gets the global scope before the interpreter starts.
//
// Prints JSON lines on stdout: one {"ready": …}, then the Worker's logs. A failing start exits with 1 and names the rule.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { Ai, AnalyticsEngineDataset, KvNamespace, R2Bucket, Ratelimit } from "./bindings.mjs";
import { DEFAULT_LIMITS, describe, running } from "./runtime/context.mjs";
import { broken, GLOBAL_SCOPE } from "./runtime/errors.mjs";
import { listenForControl } from "./runtime/control.mjs";
import { DurableObjectNamespace } from "./runtime/durable.mjs";
import { makeGlobals } from "./runtime/globals.mjs";
import { entrypointHelper } from "./runtime/helper.mjs";
import { Interpreter, LiveProxies } from "./runtime/interpreter.mjs";
import { emit, log } from "./runtime/log.mjs";
import { listen } from "./runtime/server.mjs";
import { VectorizeIndexImpl } from "./vectorize.mjs";
import { SecretsStoreSecret, service } from "./services.mjs";

const DEFAULT_CF = { country: "DE", colo: "FRA", continent: "EU", city: "Frankfurt", timezone: "Europe/Berlin", asn: 64512, httpProtocol: "HTTP/1.1" };
const DEFAULT_FLAGS = { enable_request_signal: true, python_request_headers_preserve_commas: true };

function makeEnv(runtime, vars, declared) {
  const bindings = [
    ...(declared.kv_namespaces ?? []).map(({ binding }) => [binding, new KvNamespace()]),
    ...(declared.r2_buckets ?? []).map(({ binding }) => [binding, new R2Bucket()]),
    ...(declared.analytics_engine_datasets ?? []).map(({ binding }) => [binding, new AnalyticsEngineDataset()]),
    ...(declared.ratelimits ?? []).map(({ name, binding, simple }) => [name ?? binding, new Ratelimit(simple)]),
    ...(declared.vectorize ?? []).map(({ binding, ...index }) => [binding, new VectorizeIndexImpl(index)]),
    ...(declared.ai ? [[declared.ai.binding, new Ai(declared.ai.url)]] : []),
  ];
  runtime.namespaces = (declared.durable_objects ?? []).map((object) => [
    object.binding, new DurableObjectNamespace(runtime, object),
  ]);
  runtime.secretsStores = declared.secrets_stores ?? {};
  const secrets = (declared.secrets_store_secrets ?? []).map((secret) => new SecretsStoreSecret(runtime.secretsStores, secret));
  const fetchers = [
    ...(declared.services ?? []).map(({ binding }) => [binding, service()]),
    ...secrets.map(({ binding, fetcher }) => [binding, fetcher]),
  ];
  runtime.inspectable = [...bindings, ...runtime.namespaces, ...secrets.map((secret) => [secret.binding, secret])];
  runtime.crons = declared.crons ?? [];
  runtime.automaticAlarms = declared.automatic_alarms ?? true;
  return { ...vars, ...Object.fromEntries([...bindings, ...runtime.namespaces, ...fetchers]) };
}

async function main() {
  const started = Date.now();
  const config = JSON.parse(readFileSync(process.argv[2] ?? 0, "utf8"));
  const runtime = {
    limits: { ...DEFAULT_LIMITS, ...config.limits },
    flags: { ...DEFAULT_FLAGS, ...config.flags },
    cf: config.cf ?? DEFAULT_CF,
    invocations: new Set(),
    liveProxies: new LiveProxies(),
  };
  runtime.env = makeEnv(runtime, config.vars ?? {}, config.bindings ?? {});
  const globals = makeGlobals();
  if (config.inject) (await import(pathToFileURL(config.inject))).default(globals, runtime);
  runtime.interpreter = await Interpreter.start({
    ...config,
    globals,
    flags: runtime.flags,
    liveProxies: runtime.liveProxies,
    helper: entrypointHelper(runtime.env, config.modules),
  });
  for (const [, namespace] of runtime.namespaces) namespace.verify(runtime.interpreter.classes.objects);
  const [http, control] = [await listen(runtime, config.port ?? 0), await listenForControl(runtime)];
  emit({
    ready: true,
    port: http.port,
    control_port: control.port,
    interpreter_seconds: runtime.interpreter.ownStartSeconds,
    import_seconds: runtime.interpreter.importSeconds,
    start_seconds: (Date.now() - started) / 1000,
    node: process.versions.node,
  });
}

for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));

// What nobody awaits is reported, as workerd does, and never ends the host.
process.on("unhandledRejection", (error) => log("error", [`Uncaught (in promise) ${describe(error)}`], { kind: "unhandled", invocation: running()?.id }));

try {
  await main();
} catch (error) {
  emit({ ready: false, error: describe(error), rule: error?.rule ?? ruleOf(error) });
  process.exit(1);
}

/** The rule behind an error that went through Python and lost its own name. */
function ruleOf(error) {
  const text = String(error?.message ?? error);
  if (/Randomness is not allowed|outside of request context/.test(text)) return "entropy";
  if (text.includes(GLOBAL_SCOPE)) return broken.rule;
  if (/ModuleNotFoundError|ImportError/.test(text)) return "import";
  return "exception";
}
