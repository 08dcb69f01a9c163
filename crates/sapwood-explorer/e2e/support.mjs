// What the tests share: databases made by the command, the explorer over them, and the browser.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const sapwood = process.env.SAPWOOD_COMMAND ?? join(target, "debug/sapwood");
export const shots = process.env.SAPWOOD_SHOTS ?? join(target, "explorer");

const directory = mkdtempSync(join(tmpdir(), "sapwood-explorer-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

/** Where a database of this name lies. */
export function path(name) {
  return join(directory, name);
}

/** Runs the command to its end. */
export function run(args, input = "") {
  return execFileSync(sapwood, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], maxBuffer: 1 << 30 });
}

/** A file or folder of the data for tests; null where it is not there and need not be. */
export function data(name) {
  const place = join(process.env.SAPWOOD_DATA ?? join(root, "../shared/data"), name);
  if (existsSync(place)) return place;
  if (process.env.SAPWOOD_REQUIRE_DATA === "1") throw new Error(`${place} is not there, and SAPWOOD_REQUIRE_DATA=1`);
  console.error(`skipped 1 test: ${place} is not there`);
  return null;
}

const running = new Set();

/** Starts the explorer over a database, and waits until it says where. */
export async function explore(db, ...args) {
  const child = spawn(sapwood, ["explore", "--json", "--listen", "127.0.0.1:0", "--db", db, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  const ended = new Promise((done) => child.once("exit", (code) => done(code)));
  void ended.then(() => running.delete(child));
  const [line] = await Promise.race([
    new Promise((done) => createInterface({ input: child.stdout }).once("line", (line) => done([line]))),
    ended.then((code) => {
      throw new Error(`sapwood explore ended with ${code}`);
    }),
  ]);
  const { url } = JSON.parse(line);
  const stop = async () => {
    child.kill("SIGTERM");
    return ended;
  };
  return { url, stop };
}

let browser;

/** The installed Chromium, without a window, and with an empty profile of its own. */
export async function launch() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
  return browser;
}

/** Ends the browser, and the explorers that a test has left when it failed. */
export async function quit() {
  await browser?.close();
  for (const child of running) child.kill("SIGKILL");
}

/** A page, and what went wrong on it: errors, and requests that go elsewhere. */
export async function open(explorer, hash = "", { width = 1440, height = 900, scheme = "light" } = {}) {
  // In a window of its own: in one with others it could come to lie behind them, and a page that nobody sees asks
  // for nothing.
  const page = await browser.newPage({ viewport: { width, height } });
  const wrong = [];
  page.on("console", (message) => {
    // The browser itself tells of each answer that is no success; the tests that ask for such look at them.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(explorer.url) && !request.url().startsWith("data:")) wrong.push(`it asks ${request.url()}`);
  });
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  await page.goto(`${explorer.url}${hash}`);
  await page.getByTestId("slider").waitFor();
  return { page, wrong };
}

/** Waits until nothing is loading any more. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelectorAll(".busy").length === 0);
  await page.waitForLoadState("networkidle");
}

/** A picture of the page, in the folder for them. */
export async function shoot(page, name) {
  mkdirSync(shots, { recursive: true });
  await settled(page);
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** The pictures that were taken. */
export function taken() {
  return existsSync(shots) ? readdirSync(shots) : [];
}

/** Digits of a text, as keys are written in addresses. */
export function hex(text) {
  return Buffer.from(text).toString("hex");
}
