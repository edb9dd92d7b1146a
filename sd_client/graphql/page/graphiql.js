// GraphiQL with an example for each noun, made from the schema that the server has.
import { events, headers } from "./client.js";

const QUESTION = `{ __schema {
  queryType { fields { name description args { type { kind } defaultValue } type { ...named } } }
  types { name kind fields { name args { name } type { ...named } } } } }
fragment named on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

// Subscriptions as server-sent events, everything else as one answer.
async function* fetcher(wanted, { headers: more } = {}) {
  // Just after a tab was chosen GraphiQL still names the operation of the one before.
  const stale = wanted.operationName && !new RegExp(`\\b${wanted.operationName}\\b`).test(wanted.query);
  const request = stale ? { ...wanted, operationName: undefined } : wanted;
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

const START = `# What an action answers that starts a job leads to it. Give its id to Follow, in the next tab.
mutation Start($path: String! = "/home/you/Pictures") {
  validationStart(paths: [{ text: $path }]) { job { id name status } }
}
`;
const FOLLOW = `# How a job stands, now and whenever that changes, until it is over.
subscription Follow($job: UUID! = "00000000-0000-0000-0000-000000000000") {
  jobUpdates(jobId: $job) { status progress }
}
`;

const inner = (type) => (type.ofType ? inner(type.ofType) : type);

// The plain fields of a type, or those of what it lists.
function selection(types, type, depth = 0) {
  const fields = types.get(inner(type).name).fields;
  if (!fields) return "";
  const plain = fields.filter((one) => !types.get(inner(one.type).name).fields);
  let chosen = plain.slice(0, 6).map((one) => one.name);
  if (plain.length < 2 && depth < 2)
    chosen = fields.slice(0, 3).map((one) => one.name + selection(types, one.type, depth + 1));
  return ` { ${chosen.join(" ")} }`;
}

function example(types, { name, description, type }) {
  const about = (description ?? "").split("\n").map((line) => `# ${line}`).join("\n");
  const title = name[0].toUpperCase() + name.slice(1);
  return `${about}\nquery ${title} {\n  ${name}${selection(types, type)}\n}\n`;
}

async function examples() {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: headers(),
    body: JSON.stringify({ query: QUESTION }),
  });
  const { data } = await answer.json();
  const byNoun = new Map();
  const types = new Map((data?.__schema.types ?? []).map((type) => [type.name, type]));
  const fields = data?.__schema.queryType.fields ?? [];
  // The plainest question of a noun has the shortest name.
  for (const field of fields.sort((a, b) => a.name.length - b.name.length)) {
    const noun = field.name.match(/^[a-z]+/)[0];
    const ready = field.args.every((arg) => arg.type.kind !== "NON_NULL" || arg.defaultValue !== null);
    if (ready && !byNoun.has(noun)) byNoun.set(noun, { query: example(types, field) });
  }
  byNoun.set("events", {
    query: "# What happens, as it happens.\nsubscription Events {\n  events { sequence time event { type } }\n}\n",
  });
  return [...byNoun.values(), { query: START }, { query: FOLLOW }];
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
