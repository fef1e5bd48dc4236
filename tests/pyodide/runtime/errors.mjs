// What the production runtime says when it refuses something: the messages a Worker, or the person who reads its log, sees.

export const CROSS_REQUEST =
  "Cannot perform I/O on behalf of a different request. I/O objects (such as streams, request/response bodies, and " +
  "others) created in the context of one request handler cannot be accessed from a different request's handler. This " +
  "is a limitation of Cloudflare Workers which allows us to improve overall performance.";

export const GLOBAL_SCOPE =
  "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and " +
  "generating random values are not allowed within global scope. To fix this error, perform this operation within a " +
  "handler.";

export const HUNG =
  "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never " +
  "generate a response.";

export const WAIT_UNTIL_CUT =
  "waitUntil() tasks did not complete within the allowed time after invocation end and have been cancelled.";

/** The host's own words: production says nothing, and the connection is one of few until the invocation ends. */
export const ABANDONED = "The body of a fetched response was neither read nor cancelled.";

export const NOT_A_RESPONSE =
  "Incorrect type for Promise: the Promise did not resolve to 'Response'.";

export const PYTHON_BODY =
  "A Python object was given to js.Response as its body: in production this kills the interpreter. Stream with a " +
  "TransformStream that a pump writes into, or a ReadableStream with pull and cancel.";

export const networkLost = () => Object.assign(new Error("Network connection lost."), { retryable: true });

export const broken = { rule: undefined };

/** An error that names the rule it comes from; `broken` remembers it, because on its way through Python it loses the name. */
export class RuleError extends Error {
  constructor(rule, message) {
    super(message);
    broken.rule = rule;
    this.name = "Error";
    this.rule = rule;
  }
}
