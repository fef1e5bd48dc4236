// SQLite for the storage of Durable Objects: Node's own where it has one (22.5 or newer), else `sql.js` (wasm).
//
// One shape for both: `script(text)` runs statements, `run(query, values)` one, giving {columns, rows, changes}; a row is
// an array, because columns may be called the same.

const NodeDatabase = await import("node:sqlite").then((module) => module.DatabaseSync, () => undefined);
const SQL = NodeDatabase ? undefined : await import("sql.js").then((module) => module.default());

class NodeSqlite {
  #database = new NodeDatabase(":memory:");
  script(text) {
    this.#database.exec(text);
  }
  close() {
    this.#database.close();
  }
  run(query, values) {
    const statement = this.#database.prepare(query);
    const columns = (statement.columns?.() ?? []).map(({ name }) => name);
    if (columns.length === 0) return { columns, rows: [], changes: Number(statement.run(...values).changes) };
    statement.setReturnArrays?.(true);
    return { columns, rows: statement.all(...values).map((row) => Object.values(row)), changes: 0 };
  }
}

class WasmSqlite {
  #database = new SQL.Database();
  script(text) {
    this.#database.exec(text);
  }
  close() {
    this.#database.close();
  }
  run(query, values) {
    const statement = this.#database.prepare(query);
    try {
      statement.bind(values);
      const rows = [];
      while (statement.step()) rows.push(statement.get());
      const columns = statement.getColumnNames();
      return { columns, rows, changes: columns.length === 0 ? this.#database.getRowsModified() : 0 };
    } finally {
      statement.free();
    }
  }
}

export const openSqlite = () => (NodeDatabase ? new NodeSqlite() : new WasmSqlite());
