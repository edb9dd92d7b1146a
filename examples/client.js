#!/usr/bin/env node
// A whole client of the Spacedrive daemon, with nothing but Node.
//
//     node client.js [--socket PATH | --data-dir PATH] [EVENT ...]
//
// It says Hello, makes a call, handles an error, and then prints every event, one line of JSON each,
// for as long as it runs. A connection that ends is made again, and goes on where it ended: every
// event is printed exactly once. Remarks go to standard error.

"use strict";

const net = require("node:net");
const os = require("node:os");

const PAUSE = 200; // milliseconds between two attempts to connect

const say = (text) => console.error(text);

// The sockets to try, first to last. One that was named is the only one.
function findSockets(options) {
  const env = process.env;
  const name = env.SD_INSTANCE ? `daemon-${env.SD_INSTANCE}.sock` : "daemon.sock";
  if (options.socket) return [options.socket];
  if (options.dataDir) return [`${options.dataDir}/daemon/${name}`];
  if (env.SD_SOCKET) return [env.SD_SOCKET];
  if (env.SD_DATA_DIR) return [`${env.SD_DATA_DIR}/daemon/${name}`];
  const home = os.homedir();
  const xdg = env.XDG_DATA_HOME || "";
  const data =
    process.platform === "darwin"
      ? `${home}/Library/Application Support/spacedrive`
      : `${xdg.startsWith("/") ? xdg : home + "/.local/share"}/spacedrive`;
  return [`${data}/daemon/${name}`, `/run/spacedrive/${name}`];
}

// The daemon answered with an error.
class Failed extends Error {
  constructor(reply) {
    super(Object.values(reply.Error)[0]);
    this.code = reply.details?.code; // stable: what a program decides by
    this.retryable = reply.details?.retryable ?? false;
  }
}

// Lines of JSON, both ways. What is no answer to a question goes to `onMessage`.
class Connection {
  constructor(socket, path) {
    this.socket = socket;
    this.path = path;
    this.ids = 0;
    this.waiting = new Map(); // id -> what settles the promise of its answer
    this.onMessage = () => {};
    let rest = [];
    socket.on("data", (chunk) => {
      // A chunk ends anywhere. What leaves the daemon is ASCII, so no character is cut in two.
      let start = 0;
      for (let end; (end = chunk.indexOf(10, start)) >= 0; start = end + 1) {
        rest.push(chunk.subarray(start, end));
        const line = Buffer.concat(rest).toString("latin1");
        rest = [];
        this.receive(line);
      }
      rest.push(chunk.subarray(start));
    });
    this.ended = new Promise((resolve) => {
      socket.on("error", () => {}); // 'close' follows
      socket.on("close", () => {
        for (const { reject } of this.waiting.values()) reject(new Error("the connection ended"));
        resolve("the connection ended");
      });
    });
  }

  static open(path) {
    return new Promise((resolve, reject) => {
      const socket = net.createConnection(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket, path));
      });
    });
  }

  receive(line) {
    const message = JSON.parse(line);
    const asked = this.waiting.get(message.id);
    if (!asked) return this.onMessage(line, message);
    this.waiting.delete(message.id);
    if (message.Error) asked.reject(new Failed(message));
    else asked.resolve(message);
  }

  // Send a request under an id of its own; the promise is kept by the reply that carries it.
  ask(request) {
    const id = ++this.ids;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.write(JSON.stringify({ ...request, id }) + "\n");
    });
  }

  async query(method, payload = null) {
    return (await this.ask({ Query: { method, payload } })).JsonOk;
  }
}

// A connection on which both ends know who the other is.
async function introduce(sockets) {
  let failure;
  for (const path of sockets) {
    try {
      const connection = await Connection.open(path);
      const { Hello } = await connection.ask({ Hello: { version: 1, client: "client.js" } });
      say(`connected to ${path}: daemon ${Hello.daemon}, protocol ${Hello.version}`);
      return connection;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

// One call that works and one that does not.
async function lookAround(connection) {
  const names = (await connection.query("query:libraries.list")).map(({ name }) => name);
  say(`libraries: ${names.join(", ") || "none"}`);
  try {
    await connection.query("query:no.such.operation");
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    say(`an error, as expected: ${error.message} (${error.code})`);
  }
}

// Print events until the connection ends. `place` keeps where we are: it outlives us.
async function follow(connection, types, place) {
  // What comes behind the answer may be in the same chunk: it is kept until the answer was read.
  const early = [];
  connection.onMessage = (...both) => early.push(both);
  const { Subscribed } = await connection.ask({ Subscribe: { event_types: types, ...place } });
  const { gone } = Subscribed;
  if (gone) say(`events ${gone.first} to ${gone.last} are not kept any more`);
  for (const warning of Subscribed.warnings) say(`warning: ${warning}`);
  place.stream = Subscribed.stream;
  place.after = gone ? gone.last : (place.after ?? Subscribed.sequence);
  say("subscribed");
  connection.onMessage = (line, message) => {
    if (message.Event) {
      process.stdout.write(line + "\n");
      place.after = message.sequence;
    } else if (message.CaughtUp) {
      place.after = message.CaughtUp.sequence;
    } else if (message.Lagged) {
      // We were too slow: ask again for what is missing. Nothing that follows counts.
      place.after = message.Lagged.after;
      connection.onMessage = () => {};
      connection.socket.destroy();
    }
  };
  for (const both of early) connection.onMessage(...both);
  say(await connection.ended);
}

// Connect until somebody is there.
async function again(sockets) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    try {
      return await introduce(sockets);
    } catch {
      continue;
    }
  }
}

async function main(words) {
  const options = { events: [] };
  while (words.length) {
    const word = words.shift();
    if (word === "--socket") options.socket = words.shift();
    else if (word === "--data-dir") options.dataDir = words.shift();
    else options.events.push(word);
  }
  const sockets = findSockets(options);
  let connection;
  try {
    connection = await introduce(sockets);
    await lookAround(connection);
  } catch (error) {
    say(`no daemon answers at ${sockets.join(" or ")}: ${error.message}`);
    return 3;
  }
  const place = {};
  for (;;) {
    try {
      await follow(connection, options.events, place);
    } catch (error) {
      say(`${error.message}${error.code ? ` (${error.code})` : ""}`);
      if (error instanceof Failed && !error.retryable) return 1;
    }
    connection.socket.destroy();
    connection = await again(sockets);
  }
}

main(process.argv.slice(2)).then((status) => process.exit(status));
