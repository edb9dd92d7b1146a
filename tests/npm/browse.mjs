// A person in a real browser: opens the page, indexes a folder, watches its bar, searches, sees the
// daemon go and come back, and asks something in GraphiQL.
//
//     node browse.mjs CHROMIUM ORIGIN TOKEN FOLDER PICTURES
//
// What was seen is printed, one line of JSON each. Before "away" and "back" it waits for a line on
// standard input. Pictures go into the folder PICTURES.
import { createInterface } from "node:readline/promises";
import { chromium } from "playwright-core";

const [executablePath, origin, token, folder, pictures] = process.argv.slice(2);
const tell = (seen) => console.log(JSON.stringify(seen));
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1200, height: 860 } });
const page = await context.newPage();
const problems = [];
const requests = new Set();
for (const kind of ["pageerror", "console"])
  page.on(kind, (what) => {
    if (kind === "pageerror" || what.type() === "error") problems.push(String(what.text?.() ?? what));
  });
page.on("request", (request) => requests.add(new URL(request.url()).origin));

// Without the token it asks for it, and the token does not stay in the address.
await page.goto(origin);
await page.locator("#enter").waitFor();
tell({ asked: await page.locator("#enter label").textContent() });
problems.length = 0; // the browser writes of the refusal
await page.goto("about:blank");
await page.goto(`${origin}/#token=${token}`);
await page.locator("#state[data-state=connected]").waitFor();
tell({ address: page.url() });

// Index a folder: the bar moves, and the job ends.
await page.locator("#path").fill(folder);
await page.locator("#path").press("Enter");
const values = await page.evaluate(
  () =>
    new Promise((resolve) => {
      const seen = new Set();
      const look = () => {
        const job = document.querySelector("#jobs li[data-id]");
        if (job) seen.add(job.querySelector("progress").value);
        if (job?.dataset.status === "COMPLETED") resolve([...seen]);
        else requestAnimationFrame(look);
      };
      look();
    }),
);
tell({ bar: values });
await page.locator("#locations li b").waitFor();

// Search as you type, by keyboard alone.
await page.evaluate(() => document.activeElement.blur());
await page.keyboard.press("/");
await page.keyboard.type("sunset", { delay: 25 });
await page.locator("#results mark").first().waitFor();
tell({ found: await page.locator("#results b").allTextContents() });
await page.keyboard.press("ArrowDown");
await page.keyboard.press("Enter");
await page.locator("#file pre").waitFor();
tell({ shown: await page.locator("#file pre").textContent() });
await page.screenshot({ path: `${pictures}/graphql-page.png` });
await page.emulateMedia({ colorScheme: "dark" });
await page.screenshot({ path: `${pictures}/graphql-page-dark.png` });

// The daemon goes and comes back: what happened then is seen without a reload.
tell({ ready: "away" });
await input.next();
await page.locator("#add #path").fill("/nowhere");
await page.locator("#add #path").press("Enter");
await page.locator("#problem").waitFor();
tell({ problem: await page.locator("#problem").textContent() });
await page.locator("#state[data-state=away]").waitFor();
tell({ state: await page.locator("#state").textContent() });
problems.length = 0;
tell({ ready: "back" });
await input.next();
await page.locator("#events li[data-type=LibraryCreated]", { hasText: "Back again" }).waitFor();
await page.locator("#libraries b", { hasText: "Back again" }).waitFor();
await page.locator("#state[data-state=connected]").waitFor();
tell({ libraries: await page.locator("#libraries b").allTextContents() });

// Of several libraries one is chosen by keyboard, and is remembered.
await page.locator("#library").focus();
await page.keyboard.type("Back");
await page.locator("#locations li").first().waitFor({ state: "detached" });
await page.locator("#found", { hasText: "0 found" }).waitFor();
await page.reload();
await page.locator("#state[data-state=connected]").waitFor();
await page.locator("#library option:checked", { hasText: "Back again" }).waitFor({ state: "attached" });
tell({ chosen: await page.locator("#index").textContent(), locations: await page.locator("#locations li").count() });
await page.locator("#library").selectOption("");
await page.locator("#locations li").first().waitFor();

// GraphiQL, with a tab for each noun.
await page.emulateMedia({ colorScheme: "light" });
await page.goto(`${origin}/graphiql`);
await page.locator(".graphiql-tab").first().waitFor();
tell({ tabs: await page.locator(".graphiql-tab-button:not(.graphiql-tab-add)").count() });
await page.locator(".graphiql-tab-button", { hasText: "CoreStatus" }).click();
await page.locator(".graphiql-query-editor .cm-property", { hasText: "coreStatus" }).waitFor();
await page.locator(".graphiql-execute-button").click();
await page.locator(".result-window .cm-property", { hasText: "version" }).waitFor();
tell({ result: await page.locator(".result-window .CodeMirror-code").textContent() });
await page.screenshot({ path: `${pictures}/graphiql.png` });
await page.emulateMedia({ colorScheme: "dark" });
tell({ scheme: await page.evaluate(() => getComputedStyle(document.body).colorScheme) });
await page.screenshot({ path: `${pictures}/graphiql-dark.png` });
tell({ problems, origins: [...requests].filter((one) => one !== "null") });
await browser.close();
