// GraphiQL with an example for each noun, made from the schema that the server has.
import { events, headers } from "./client.js";

const QUESTION = `{ __schema { queryType { fields { name description
  args { name type { kind } defaultValue }
  type { ...leaf ofType { ...leaf ofType { ...leaf ofType { ...leaf } } } } } } } }
fragment leaf on __Type { kind name fields { name type { kind ofType { kind } } } }`;

// Subscriptions as server-sent events, everything else as one answer.
async function* fetcher(request, { headers: more } = {}) {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: { ...headers({ Accept: accept(request) }), ...more },
    body: JSON.stringify(request),
  });
  if (!answer.headers.get("Content-Type").startsWith("text/event-stream")) {
    yield await answer.json();
    return;
  }
  for await (const { data } of events(answer.body)) yield data;
}

const accept = ({ query, operationName }) => {
  const named = operationName ? `\\s+${operationName}\\b` : "";
  const watching = new RegExp(`^\\s*subscription\\b${named}`, "m").test(query);
  return watching ? "text/event-stream" : "application/json";
};

const inner = (type) => (type.ofType ? inner(type.ofType) : type);
const isLeaf = (type) => ["SCALAR", "ENUM"].includes((type.ofType ?? type).kind);

function example({ name, description, type }) {
  const leaves = (inner(type).fields ?? []).filter((field) => isLeaf(field.type));
  const chosen = leaves.slice(0, 6).map((field) => field.name);
  const selection = inner(type).fields ? ` { ${(chosen.length ? chosen : ["__typename"]).join(" ")} }` : "";
  const about = (description ?? "").split("\n").map((line) => `# ${line}`).join("\n");
  return `${about}\nquery ${name[0].toUpperCase()}${name.slice(1)} {\n  ${name}${selection}\n}\n`;
}

async function examples() {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: headers(),
    body: JSON.stringify({ query: QUESTION }),
  });
  const { data } = await answer.json();
  const byNoun = new Map();
  for (const field of data?.__schema.queryType.fields ?? []) {
    const noun = field.name.match(/^[a-z]+/)[0];
    const ready = field.args.every((arg) => arg.type.kind !== "NON_NULL" || arg.defaultValue !== null);
    if (ready && !byNoun.has(noun)) byNoun.set(noun, { query: example(field) });
  }
  byNoun.set("events", {
    query: "# What happens, as it happens.\nsubscription Events {\n  events { sequence time event { type } }\n}\n",
  });
  return [...byNoun.values()];
}

const root = ReactDOM.createRoot(document.getElementById("graphiql"));
root.render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: await examples(),
    shouldPersistHeaders: false,
    storage: sessionStorage,
  }),
);
