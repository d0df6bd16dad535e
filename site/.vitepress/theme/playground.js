// Runs the code of the playground: an asynchronous function that is given the modules of the package by their names.
const AsyncFunction = (async () => {}).constructor;
const IMPORT = /^import\s*(\{[^}]*\})\s*from\s*"([^"]+)";?$/gm;

/**
 * Runs code with imports of the package.
 *
 * @param {string} code
 * @param {{ modules: object, tools: Record<string, Function> }} world What the code may import, and what it may call.
 * @returns {Promise<void>}
 */
export async function run(code, { modules, tools }) {
  const body = code.replace(IMPORT, (_whole, names, from) => {
    if (!Object.hasOwn(modules, from)) throw new Error(`The playground has no module ${from}.`);
    return `const ${names.replace(/\bas\b/g, ":")} = modules[${JSON.stringify(from)}];`;
  });
  await new AsyncFunction("modules", ...Object.keys(tools), body)(modules, ...Object.values(tools));
}

/**
 * The buttons: what they do to a fake server's connections.
 *
 * @type {Record<string, { says: string, act: (server: import("tautline/testing/fake").FakeServer) => void }>}
 */
export const faults = {
  Cut: {
    says: "Ends the connection without a close frame. The page sees 1006 and is back within a second.",
    act: (server) => each(server, (connection) => connection.drop()),
  },
  "Black hole": {
    says: "Loses everything, both ways, and says nothing. With resume the heartbeat notices within 2.5 s.",
    act: (server) => each(server, (connection) => connection.blackhole()),
  },
  Heal: {
    says: "Ends the black hole: a connection that was not given up yet delivers what it held.",
    act: (server) => each(server, (connection) => connection.heal()),
  },
  Restart: {
    says: "Drops every connection and forgets every session, as a server that crashes and starts again.",
    act: (server) => server.restart(),
  },
};

/**
 * @param {import("tautline/testing/fake").FakeServer} server
 * @param {(connection: import("tautline/testing/fake").FakeConnection<unknown, unknown>) => void} act
 */
function each(server, act) {
  for (const connection of server.connections) if (connection.isOpen) act(connection);
}
