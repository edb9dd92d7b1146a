// GraphQL over HTTP, as the specification's own auditor sees it: one line of JSON for each audit.
import { serverAudits } from "graphql-http";

const [url, token] = process.argv.slice(2);
const fetchFn = (address, init = {}) =>
  fetch(address, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });

for (const audit of serverAudits({ url, fetchFn })) {
  const { status, reason } = await audit.fn();
  const told = typeof reason === "string" ? reason : reason?.toString?.();
  console.log(JSON.stringify({ id: audit.id, name: audit.name, status, reason: told }));
}
