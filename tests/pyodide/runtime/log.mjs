// Everything the host says is one JSON object a line on stdout: {"log": …} for the Worker's own lines, {"ready": …} once.

export const emit = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

/** A line of the Worker's console. Several arguments are joined as workerd does. */
export function log(level, args, extra = {}) {
  emit({ log: args.map(show).join(" "), level, ...extra });
}

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ?? String(value);
  try {
    return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

export const workerConsole = Object.fromEntries(
  ["log", "info", "debug", "warn", "error", "trace"].map((level) => [level, (...args) => log(level, args)]),
);
