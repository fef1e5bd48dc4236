// Grafana's grammar of TraceQL over queries: {"queries": [...]} in, [{"error": ""}, ...] out.
const { readFileSync } = require("node:fs");
const { parser } = require("@grafana/lezer-traceql");

const { queries } = JSON.parse(readFileSync(0, "utf8"));
const results = queries.map((query) => {
  const faults = [];
  parser.parse(query).iterate({ enter: (node) => void (node.type.isError && faults.push(node.from)) });
  return { error: faults.length ? `no TraceQL at ${faults.join(", ")}` : "" };
});
process.stdout.write(JSON.stringify(results));
