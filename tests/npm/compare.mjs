// What changed between a schema file and the schema that a server has: one line for each change.
import { readFileSync } from "node:fs";
import { diff } from "@graphql-inspector/core";
import { buildClientSchema, buildSchema, getIntrospectionQuery, printSchema } from "graphql";

const [file, url, token] = process.argv.slice(2);
const answer = await fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
  body: JSON.stringify({
    query: getIntrospectionQuery({
      specifiedByUrl: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    }),
  }),
});
// Both as text, because directives are compared by how they are written.
const served = buildSchema(printSchema(buildClientSchema((await answer.json()).data)));
const kept = buildSchema(readFileSync(file, "utf8"));
for (const change of await diff(kept, served)) {
  console.log(`${change.criticality.level}: ${change.message}`);
}
