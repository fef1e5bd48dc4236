// What a Tail Worker is handed: not plain objects but the runtime's own, so nothing is converted on the way to Python.
//
// Rules (workerd, io/trace):
// - members are getters of the object's class; one that has no value is null, or undefined where it is optional;
// - the headers of a request are a plain object, whatever they are called;
// - `message` of a log line is any value, for the console an array of its arguments.

/** A class of the runtime: `members` are getters, `of` says what class the object in a member has. */
function resource(name, { nullable = [], optional = [], of = {} }) {
  const made = { [name]: class {} }[name];
  const given = new WeakMap();
  for (const [absent, members] of [[null, nullable], [undefined, optional]]) {
    for (const member of members) {
      Object.defineProperty(made.prototype, member, {
        enumerable: true,
        get() {
          return given.get(this)[member] ?? absent;
        },
      });
    }
  }
  return (fields) => {
    if (fields === null || typeof fields !== "object") return fields;
    const wrapped = Object.entries(fields).map(([member, value]) => {
      const wrap = of[member] ?? ((same) => same);
      return [member, Array.isArray(value) ? value.map(wrap) : wrap(value)];
    });
    const instance = new made();
    given.set(instance, Object.fromEntries(wrapped));
    return instance;
  };
}

const request = resource("Request", { nullable: ["method", "url", "headers"], optional: ["cf"] });
const event = resource("FetchEventInfo", { optional: ["request", "response", "cron", "scheduledTime", "rpcMethod", "queue"], of: { request } });
const line = resource("TraceLog", { nullable: ["timestamp", "level"], optional: ["message"] });
const thrown = resource("TraceException", { nullable: ["timestamp", "name", "message"], optional: ["stack"] });

/** A TraceItem of these fields. */
export const traceItem = resource("TraceItem", {
  nullable: ["event", "eventTimestamp", "logs", "exceptions", "scriptName", "outcome", "wallTime", "cpuTime", "truncated"],
  optional: ["entrypoint", "scriptVersion", "dispatchNamespace", "scriptTags", "durableObjectId"],
  of: { event, logs: line, exceptions: thrown },
});
