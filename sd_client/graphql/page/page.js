// Libraries, locations, search, jobs and events of the daemon, as they are now.
import { ask, content, setToken, watch } from "./client.js";

const at = (id) => document.getElementById(id);

const LIBRARIES = `{ librariesList(includeStats: true) {
  id name path stats { totalFiles totalSize locationCount } } }`;
const OF_LIBRARY = `query($library: String!) {
  locationsList(library: $library) { locations {
    id name isAvailable fileCount totalSize errorMessage sdPath { physical { path } }
    scanState { scanState scanning { Scanning: scanning { progress } } } } }
  jobsActive(library: $library) { jobs { id name status progress genericProgress { message phase } } }
}`;
const SEARCH = `query($library: String!, $query: String!) {
  searchFiles(library: $library, query: $query, mode: FAST, first: 100) {
    totalFound totalIsExact
    nodes { highlights { field start end }
      file { id name extension kind size modifiedAt contentKind sdPath { physical { path } } } } } }`;
const EVENTS = `subscription { events { time libraryId event { type
  ... on JobQueued { jobId jobType } ... on JobStarted { jobId jobType }
  ... on JobProgress { jobId jobType progress message }
  ... on JobCompleted { jobId jobType } ... on JobFailed { jobId jobType error }
  ... on JobCancelled { jobId jobType } ... on JobPaused { jobId } ... on JobResumed { jobId }
  ... on LibraryOpened { name } ... on LibraryClosed { name } ... on LibraryCreated { name }
  ... on LocationAdded { path } ... on FilesIndexed { count } ... on EntryMoved { oldPath newPath }
  ... on IndexingFailed { error } ... on IndexingProgress { processed total }
  ... on IndexingCompleted { totalFiles totalDirs } ... on ConfigChanged { field }
  ... on ResourceChanged { resourceType } ... on ResourceChangedBatch { resourceType }
  ... on ResourceDeleted { resourceType }
} } }`;

const STATUS_OF = {
  JobQueued: "QUEUED",
  JobStarted: "RUNNING",
  JobProgress: "RUNNING",
  JobResumed: "RUNNING",
  JobPaused: "PAUSED",
  JobCompleted: "COMPLETED",
  JobFailed: "FAILED",
  JobCancelled: "CANCELLED",
};
const OVER = ["COMPLETED", "FAILED", "CANCELLED"];
const KEPT = 200; // events on the page
const CHOSEN = "spacedrive-library"; // kept over visits
const jobs = new Map();
let libraries = [];

// --- small things ------------------------------------------------------------------------------

function make(tag, properties = {}, ...children) {
  const { data, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  made.append(...children.filter((one) => one !== null && one !== undefined));
  return made;
}

const number = (n) => n.toLocaleString();
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  for (; bytes >= 1024 && step < units.length - 1; step++) bytes /= 1024;
  return `${step ? bytes.toFixed(bytes < 10 ? 1 : 0) : bytes} ${units[step]}`;
}
const when = (time) => new Date(time).toLocaleString();
const pathOf = (thing) => thing.sdPath?.physical?.path ?? "";
const nameOf = (file) => (file.extension ? `${file.name}.${file.extension}` : file.name);

let silence;
function complain(failure) {
  at("problem").textContent = [failure.message, failure.hint].filter(Boolean).join(" — ");
  at("problem").hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => (at("problem").hidden = true), 8000);
}
const trying = (work) => async (event) => {
  event?.preventDefault?.();
  try {
    await work(event);
  } catch (failure) {
    if (failure.name !== "AbortError") complain(failure);
  }
};

// --- what there is -----------------------------------------------------------------------------

let due;
function soon() {
  due ??= setTimeout(() => {
    due = undefined;
    refresh();
  }, 250);
}

// The libraries that the page is about: the chosen one, or all where none is, or not any more.
function looked() {
  const chosen = libraries.filter(({ id }) => id === localStorage.getItem(CHOSEN));
  return chosen.length ? chosen : libraries;
}

function showChoice() {
  const about = looked();
  const one = about.length === 1 ? about[0] : undefined;
  const options = [["", "All"], ...libraries.map(({ id, name }) => [id, name])];
  const shown = JSON.stringify(options);
  if (at("library").dataset.shown !== shown) {
    // Not while somebody chooses, unless there is something else to choose from.
    at("library").dataset.shown = shown;
    at("library").replaceChildren(...options.map(([value, name]) => make("option", { value }, name)));
  }
  at("library").value = one?.id ?? "";
  at("choice").hidden = libraries.length < 2;
  at("index").textContent = about.length > 1 ? `Index in ${about[0].name}` : "Index";
}

const refresh = trying(async () => {
  libraries = (await ask(LIBRARIES)).librariesList;
  showChoice();
  at("libraries").replaceChildren(...libraries.map(showLibrary));
  const found = await Promise.all(
    looked().map(async ({ id }) => ({ id, ...(await ask(OF_LIBRARY, { library: id })) })),
  );
  at("locations").replaceChildren(
    ...found.flatMap((one) => one.locationsList.locations.map((place) => showLocation(one.id, place))),
  );
  const active = found.flatMap((one) => one.jobsActive.jobs.map((job) => ({ library: one.id, ...job })));
  for (const job of active) jobs.set(job.id, { ...jobs.get(job.id), ...job, message: job.genericProgress?.message });
  const known = new Set(active.map((job) => job.id));
  for (const [id, job] of jobs) if (!known.has(id) && !OVER.includes(job.status)) jobs.delete(id);
  showJobs();
});

const showLibrary = ({ name, path, stats }) =>
  make("li", {},
    make("div", { className: "head" }, make("b", {}, name)),
    make("small", { title: path }, `${number(stats.totalFiles)} files, ${size(stats.totalSize)}`));

function showLocation(library, place) {
  const percent = place.scanState.scanning?.Scanning.progress;
  const again = make("button", { title: "Read this folder again" }, "Read again");
  again.onclick = trying(() =>
    ask(`mutation($library: String!, $id: UUID!) {
      locationsRescan(library: $library, locationId: $id, fullRescan: true) { jobId } }`,
      { library, id: place.id }));
  const trouble = place.errorMessage ?? (place.isAvailable ? null : "not there now");
  return make("li", {},
    make("div", { className: "head" },
      make("b", { title: pathOf(place) }, place.name),
      make("span", { className: "right" }, again)),
    make("small", {}, trouble ?? `${number(place.fileCount)} files, ${size(place.totalSize)}`),
    percent === undefined ? null : make("progress", { max: 100, value: percent }));
}

// --- jobs --------------------------------------------------------------------------------------

function showJobs() {
  const list = at("jobs");
  if (!jobs.size) return list.replaceChildren(make("li", { className: "muted" }, "Nothing runs."));
  const there = new Map([...list.children].map((item) => [item.dataset.id, item]));
  for (const [id, job] of jobs) {
    const item = there.get(id) ?? newJob(id);
    there.delete(id);
    item.dataset.status = job.status;
    item.querySelector("b").textContent = job.name ?? job.jobType ?? "job";
    item.querySelector("small").textContent =
      `${job.status.toLowerCase()}${job.message ? ` · ${job.message}` : ""}`;
    item.querySelector("progress").value = job.status === "COMPLETED" ? 1 : (job.progress ?? 0);
    item.querySelector("[data-do=pause]").hidden = job.status !== "RUNNING";
    item.querySelector("[data-do=resume]").hidden = !["PAUSED", "FAILED"].includes(job.status);
    item.querySelector("[data-do=cancel]").hidden = OVER.includes(job.status);
    if (!item.isConnected) list.prepend(item);
  }
  for (const item of there.values()) item.remove();
  for (const item of list.querySelectorAll(":scope > .muted")) item.remove();
}

function newJob(id) {
  const tell = (verb) => {
    const button = make("button", { data: { do: verb } }, verb);
    button.onclick = trying(() =>
      ask(`mutation($library: String, $id: UUID!) {
        jobs${verb[0].toUpperCase()}${verb.slice(1)}(library: $library, jobId: $id) { success } }`,
        { library: jobs.get(id)?.library, id }));
    return button;
  };
  return make("li", { data: { id } },
    make("div", { className: "head" },
      make("b"),
      make("span", { className: "right" }, tell("pause"), tell("resume"), tell("cancel"))),
    make("progress", { max: 1, value: 0, ariaLabel: "progress" }),
    make("small"));
}

function noteJob({ event, libraryId }) {
  const about = looked(); // all: with those that were made just now
  if (about !== libraries && libraryId && !about.some(({ id }) => id === libraryId)) return;
  const status = STATUS_OF[event.type];
  const known = jobs.get(event.jobId) ?? { library: libraryId };
  const { type: _, ...facts } = event;
  jobs.set(event.jobId, { ...known, ...facts, status });
  if (OVER.includes(status)) setTimeout(() => (jobs.delete(event.jobId), showJobs()), 6000);
  showJobs();
}

// --- events ------------------------------------------------------------------------------------

function note({ events: told }) {
  const { event, time } = told;
  if (event.type in STATUS_OF) noteJob(told);
  if (!["JobProgress", "IndexingProgress"].includes(event.type)) soon();
  const { type, ...facts } = event;
  const known = Object.entries(facts).filter(([, value]) => value !== null);
  const text = known.map(([name, value]) => `${name} ${value}`).join("  ");
  const clock = time ? new Date(time).toLocaleTimeString() : "";
  const last = at("events").firstElementChild;
  const same = last?.dataset.type === type && type.endsWith("Progress");
  const line = make("li", { data: { type } },
    make("span", {}, clock), make("span", {}, type), make("span", { title: text }, text));
  if (same) last.replaceWith(line);
  else at("events").prepend(line);
  while (at("events").childElementCount > KEPT) at("events").lastElementChild.remove();
}

// --- search ------------------------------------------------------------------------------------

let asking = new AbortController();
let pause;
const search = trying(async () => {
  asking.abort();
  asking = new AbortController();
  const query = at("query").value.trim();
  if (!query) {
    at("results").replaceChildren();
    at("found").textContent = "";
    return;
  }
  const { signal } = asking;
  const found = await Promise.all(
    looked().map(async ({ id }) => ({
      id,
      ...(await ask(SEARCH, { library: id, query }, signal)).searchFiles,
    })),
  );
  const total = found.reduce((sum, one) => sum + one.totalFound, 0);
  const exact = found.every((one) => one.totalIsExact);
  at("found").textContent = `${exact ? "" : "more than "}${number(total)} found`;
  at("results").replaceChildren(
    ...found.flatMap((one) => one.nodes.map((hit) => showHit(one.id, hit))),
  );
});

function showHit(library, { file, highlights }) {
  const name = make("b");
  let done = 0;
  const text = nameOf(file);
  for (const { start, end } of highlights.filter((one) => one.field === "name").sort((a, b) => a.start - b.start)) {
    if (start < done) continue;
    name.append(text.slice(done, start), make("mark", {}, text.slice(start, end)));
    done = end;
  }
  name.append(text.slice(done));
  const button = make("button", {},
    name, make("small", {}, file.kind === "FILE" ? size(file.size) : file.kind.toLowerCase()),
    make("small", {}, pathOf(file)), make("small", {}, new Date(file.modifiedAt).toLocaleDateString()));
  button.onclick = trying(() => showFile(library, file));
  return make("li", {}, button);
}

async function showFile(library, file) {
  const save = make("button", {}, "Save");
  save.onclick = trying(async () => {
    const link = make("a", { href: URL.createObjectURL(await content(library, file.id)), download: nameOf(file) });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  const facts = { Path: pathOf(file), Size: size(file.size), Changed: when(file.modifiedAt), Content: file.contentKind.toLowerCase() };
  at("file").replaceChildren(
    make("div", { className: "head" }, make("b", {}, nameOf(file)), make("span", { className: "right" }, save)),
    make("dl", {}, ...Object.entries(facts).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])),
  );
  at("file").hidden = false;
  if (file.kind !== "FILE" || file.size > 20e6) return;
  if (file.contentKind === "IMAGE")
    at("file").append(make("img", { alt: "", src: URL.createObjectURL(await content(library, file.id)) }));
  else if (["TEXT", "CODE", "CONFIG"].includes(file.contentKind))
    at("file").append(make("pre", {}, (await (await content(library, file.id)).text()).slice(0, 20000)));
}

// --- keyboard, forms, beginning ----------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    at("query").focus();
  }
  if (event.key === "Escape") {
    at("file").hidden = true;
    at("query").focus();
  }
  const rows = [...at("results").querySelectorAll("button")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const place = rows.indexOf(event.target);
  if (!step || !(place >= 0 || event.target === at("query")) || !rows.length) return;
  event.preventDefault();
  (rows[place + step] ?? (step > 0 ? event.target : at("query"))).focus();
});

at("library").addEventListener("change", () => {
  localStorage.setItem(CHOSEN, at("library").value);
  at("file").hidden = true;
  refresh();
  search();
});

at("query").addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(search, 60);
});

at("add").addEventListener("submit", trying(async () => {
  const [library] = looked();
  const id = library?.id ?? (await ask(`mutation { librariesCreate(name: "Home") { libraryId } }`)).librariesCreate.libraryId;
  await ask(`mutation($library: String!, $path: String!) {
    locationsAdd(library: $library, path: { text: $path }) { jobId } }`,
    { library: id, path: at("path").value });
  at("path").value = "";
}));

at("enter").addEventListener("submit", trying(async () => {
  setToken(at("token").value);
  await begin();
}));

let stream = { connected: false };

function state(connected, failure) {
  stream = { connected, failure };
  show(stream);
  if (connected) refresh();
}

function show({ connected, failure }) {
  at("state").dataset.state = connected ? "connected" : "away";
  at("state").textContent = connected ? "connected" : (failure?.message ?? "the connection was lost");
}

// The stream of events outlives the daemon, so whether that answers is asked now and then.
async function look() {
  try {
    await ask("{ coreStatus { version } }");
    show(stream);
  } catch (failure) {
    show(stream.connected ? { connected: false, failure } : stream);
  }
  setTimeout(look, 2000);
}

async function begin() {
  try {
    await ask("{ __typename }");
  } catch (failure) {
    at("enter").hidden = false;
    at("token").focus();
    if (failure.code !== "not-authorized") complain(failure);
    return;
  }
  at("enter").hidden = true;
  at("all").hidden = false;
  at("query").focus();
  watch(EVENTS, { tell: note, state });
  look();
}

await begin();
