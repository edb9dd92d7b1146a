// How the pages talk to the server: with the token, and again when the connection was lost.

const KEY = "spacedrive-token";

// The token comes behind the # of the address, which is not sent anywhere, and goes from there.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname);
}

const token = () => sessionStorage.getItem(KEY) ?? "";
export const setToken = (text) => sessionStorage.setItem(KEY, text.trim());

export class Failure extends Error {
  constructor(message, { code, hint } = {}) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

export const headers = (more) => ({
  "Content-Type": "application/json",
  Authorization: `Bearer ${token()}`,
  ...more,
});

const failureIn = (errors) => new Failure(errors[0].message, errors[0].extensions);

export async function ask(query, variables = {}, signal = undefined) {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: headers(),
    body: JSON.stringify({ query, variables }),
    signal,
  });
  const { data, errors } = await answer.json();
  if (errors) throw failureIn(errors);
  return data;
}

export async function content(library, file) {
  const answer = await fetch(`/files/${library}/${file}/content`, { headers: headers() });
  if (!answer.ok) throw failureIn((await answer.json()).errors);
  return answer.blob();
}

// Calls `tell(data)` for everything that happens, and `state(connected, failure)` when that changes.
// Goes on behind the last event that was seen, however often the connection is lost.
export async function watch(query, { tell, state }) {
  let last = null;
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await fetch("/graphql", {
        method: "POST",
        headers: headers({ Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) }),
        body: JSON.stringify({ query }),
      });
      if (!answer.ok || !answer.headers.get("Content-Type").startsWith("text/event-stream"))
        throw failureIn((await answer.json()).errors);
      state(true);
      for await (const { id, data } of events(answer.body)) {
        attempt = 0;
        if (data.errors) throw failureIn(data.errors);
        last = id ?? last;
        tell(data.data);
      }
      state(false);
    } catch (failure) {
      if (failure.code === "invalid-cursor") last = null;
      state(false, failure);
      if (failure.code === "not-authorized") return;
    }
    await new Promise((go) => setTimeout(go, Math.min(5000, 200 * 2 ** attempt)));
  }
}

// What a stream of server-sent events tells.
export async function* events(body) {
  let text = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const one of whole) {
      const fields = Object.fromEntries(
        one.split("\n").map((line) => {
          const at = line.indexOf(":");
          return [line.slice(0, at), line.slice(at + 1).trimStart()];
        }),
      );
      if (fields.event === "next") yield { id: fields.id, data: JSON.parse(fields.data) };
    }
  }
}
