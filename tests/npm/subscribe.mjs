// A subscription by an independent client: what it tells, one line of JSON each, until its end.
//
//     node subscribe.mjs ws|sse URL TOKEN QUERY VARIABLES
import { createClient as sse } from "graphql-sse";
import { createClient as ws } from "graphql-ws";
import WebSocket from "ws";

const [kind, url, token, query, variables] = process.argv.slice(2);
const authorization = `Bearer ${token}`;
const client =
  kind === "ws"
    ? ws({
        url: url.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        retryAttempts: 0,
      })
    : sse({ url, headers: { authorization }, retryAttempts: 0 });

const done = new Promise((resolve) => {
  client.subscribe(
    { query, variables: JSON.parse(variables) },
    {
      next: (value) => console.log(JSON.stringify(value)),
      error: (error) => {
        console.log(JSON.stringify({ failed: error?.message ?? error?.reason ?? error }));
        resolve();
      },
      complete: resolve,
    },
  );
});
await done;
client.dispose();
