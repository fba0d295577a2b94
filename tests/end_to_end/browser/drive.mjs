// Drives the fleet page in headless Chromium, with what the test told on the command line (JSON):
// url, tokens { reader, checker }, live (the instance with an agent; nothing: none is there), filled (one that fails), modules (where the
// Node packages are), shots (a folder, or nothing).
//
// Prints `listening` when it waits for drift, which the test then makes; exits with 1 where something is not as it should be.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const told = JSON.parse(process.argv[2]);
const require = createRequire(`${told.modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// What no event of this page takes: who waits so long has failed.
const PATIENCE = 60_000;
const VIEWS = [
  ["fleet", "/"],
  ["instances", "/instances?health=fail"],
  ["instance", `/instances/${told.filled}`],
  ["drift", "/drift"],
  ["agents", "/agents"],
  ["accounts", "/by/account"],
  ["regions", "/by/region"],
  ["offered", "/instances?q=security%20group"],
  ["missing", "/instances/i-0fedcba9876543210"],
  ["sign-in", "/sign-in"],
];
const SHAPES = [["wide", { width: 1360, height: 900 }], ["phone", { width: 390, height: 844 }]];

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];

// A context whose every request stays with the page, and whose console stays silent.
async function visitor(options = {}) {
  const context = await browser.newContext({ baseURL: told.url, viewport: SHAPES[0][1], ...options });
  context.setDefaultTimeout(PATIENCE);
  context.on("request", (request) => {
    if (new URL(request.url()).origin !== told.url) complaints.push(`asks ${request.url()}`);
  });
  context.on("console", (message) => {
    // Chromium says of every answer of 4xx that it is one.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  return [context, await context.newPage()];
}

async function signIn(page, token) {
  await page.goto("/sign-in");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
}

async function refusedAndGranted() {
  const [context, page] = await visitor();
  await page.goto("/instances?health=fail");
  assert.match(page.url(), /\/sign-in\?next=/, "nothing is shown to who has not signed in");
  await signIn(page, "a guess");
  assert.equal(await page.getByRole("alert").textContent(), "No operator has this token");
  await signIn(page, told.tokens.reader);
  await page.goto(`/instances/${told.filled}`);
  await page.getByText("Your role does not let you ask it to check now").waitFor();
  assert.equal(await page.getByRole("button", { name: "Check now" }).count(), 0);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto("/");
  assert.match(page.url(), /\/sign-in/, "who has signed out sees nothing");
  await context.close();
}

async function found(page) {
  await page.goto("/");
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Fleet");
  await page.getByRole("searchbox", { name: "Search instances" }).fill(told.filled);
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("1 instance", { exact: true }).waitFor();
  await page.getByRole("searchbox", { name: "Search instances" }).fill("security group");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "the security group lets the source in" }).click();
  await page.waitForURL(/check=aws\.network\.security-group-ingress/);
  await page.goto("/instances");
  await page.getByLabel("Health").selectOption("failing");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/health=fail/);
  await page.getByRole("link", { name: "Next page" }).waitFor();
  const rows = page.locator("tbody tr");
  assert.equal(await rows.count(), 50, "a page is bounded");
  assert.equal(await rows.filter({ hasText: "failing" }).count(), 50);
  await page.getByRole("link", { name: "Next page" }).click();
  await page.waitForURL(/health=fail.*after=i-/);
}

async function read(page) {
  await page.goto(`/instances/${told.filled}`);
  const finding = page.locator("article.finding").filter({ has: page.locator("pre") }).first();
  const command = await finding.locator("pre").textContent();
  assert.ok(command.length > 0, "a finding has its command");
  await finding.getByRole("button", { name: "Copy" }).click();
  await finding.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
}

async function drifted(page) {
  await page.goto("/drift");
  await page.locator(".live.on").waitFor();
  console.log("listening");
  const row = page.locator("tr.new").filter({ hasText: told.live }).filter({ hasText: "sshd looks up pushed keys" });
  await row.first().waitFor();
  assert.match(await page.locator("[data-live]").textContent(), /^live, \d+ new$/);
}

async function checkedNow(page) {
  await page.goto(`/instances/${told.live}`);
  await page.getByRole("button", { name: "Check now" }).click();
  await page.getByText("Looked just now, for checker").waitFor();
  await page.locator("article.finding[id='os.sshd.authorized-keys-command']").waitFor();
}

async function byKeyboard(page) {
  await page.goto("/");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
}

async function withoutScripts(state) {
  const [context, page] = await visitor({ javaScriptEnabled: false, storageState: state });
  await page.goto("/");
  await page.getByRole("searchbox", { name: "Search instances" }).fill(told.filled);
  await page.getByRole("button", { name: "Search" }).click();
  await page.locator("tbody").getByRole("link", { name: told.filled }).click();
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), told.filled);
  assert.equal(await page.getByRole("button", { name: "Copy" }).count(), 0, "nothing is offered that would do nothing");
  await page.goto("/drift");
  assert.equal(await page.locator("#live").isVisible(), false);
  await context.close();
}

// No serious or critical violation, on any view, in light and in dark, wide and narrow; and nothing is wider than the screen.
async function accessible(state) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [shape, viewport] of SHAPES) {
      const [context, page] = await visitor({ colorScheme, viewport, storageState: state, reducedMotion: "reduce" });
      for (const [name, path] of VIEWS) {
        await page.goto(path);
        const view = `${name}-${shape}-${colorScheme}`;
        if (told.shots) await page.screenshot({ path: `${told.shots}/${view}.png`, fullPage: shape === "phone" });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wide > 0) complaints.push(`${view} is ${wide} pixels wider than the screen`);
        await page.evaluate(axe);
        const { violations, passes } = await page.evaluate(() => window.axe.run());
        assert.ok(passes.length > 10, `${view}: axe looked`);
        for (const { id, impact, help, nodes } of violations.filter(({ impact }) => impact === "serious" || impact === "critical")) {
          complaints.push(`${view}: ${impact} ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(" ")}`);
        }
      }
      await context.close();
    }
  }
}

await refusedAndGranted();
const [context, page] = await visitor({ permissions: ["clipboard-read", "clipboard-write"] });
await signIn(page, told.tokens.checker);
await found(page);
await read(page);
await byKeyboard(page);
if (told.live) {
  await drifted(page);
  await checkedNow(page);
}
const state = await context.storageState();
await withoutScripts(state);
await accessible(state);
await browser.close();
assert.deepEqual(complaints, []);
