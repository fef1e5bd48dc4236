// Bindings that are `Fetcher`s to JavaScript: other services, and secrets of the account's Secrets Store.
//
// Rules, as workerd shows them:
// - every property of such a binding looks like a method, only `then` does not; nothing but its name tells one from another;
// - a method that the service lacks is refused by a TypeError, when it is called;
// - `get()` of a secret is I/O of the invocation that asks; the promise is rejected where the store has no such secret;
// - what a value is now is what the store holds at the call: a change needs no deployment.

import { io } from "./runtime/context.mjs";

class Fetcher {
  get [Symbol.toStringTag]() {
    return "Fetcher";
  }
}

const absent = (name) => () =>
  io("Fetcher", async () => {
    throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
  });

function bound(methods) {
  return new Proxy(new Fetcher(), {
    get(target, name) {
      if (typeof name === "symbol" || name === "then" || name in target) return Reflect.get(target, name);
      return methods[name] ?? absent(name);
    },
  });
}

/** A service without a method of its own. */
export const service = () => bound({});

/** `stores` maps a store's id to its secrets by name: `{value}`, `{error}`, `{never: true}`, or `{held: true}` until it is another. */
export class SecretsStoreSecret {
  #calls = 0;

  constructor(stores, { binding, store_id: store, secret_name: name }) {
    this.binding = binding;
    const get = () => {
      this.#calls += 1;
      return io("SecretsStoreSecret", async () => {
        while (stores[store]?.[name]?.held) await new Promise((resolve) => setTimeout(resolve, 10));
        const held = stores[store]?.[name];
        if (held?.never) await new Promise(() => {});
        if (held?.error) throw new Error(held.error);
        if (held?.value === undefined) throw new Error(`Secret "${name}" not found`);
        return held.value;
      });
    };
    this.fetcher = bound({ get });
  }

  /** How often it was asked; the value is nobody's business. */
  state() {
    return { calls: this.#calls };
  }
}
