// The page over a small ledger, of which every version is known: reading, moving, comparing, refusing, writing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { selectors } from "playwright-core";
import { explore, hex, launch, open, path, quit, run, settled } from "../support.mjs";

selectors.setTestIdAttribute("data-test");

// Sixteen commits. note.txt is written, changed in one line, deleted, and written again.
const HISTORY = String.raw`
set note.txt "first line\nsecond line\nthird line\n"
batch set account/alice "{\"balance\":10000000000000000000001,\"tags\":[\"a\",\"b\"]}" ; set account/bob "{\"balance\":5}" ; set account/carol "{\"balance\":7}"
set counter "\x00\x00\x00\x00\x00\x00\x01\x00"
set blob "\xff\xfe\x00abc"
set note.txt "first line\nanother second line\nthird line\n"
set account/bob "{\"balance\":6}"
delete note.txt
delete account/carol
set counter "\x00\x00\x00\x00\x00\x00\x01\x01"
set note.txt "first line\nanother second line\nthird line\nfourth line\n"
set slot 0x0de0b6b3a7640000
set account/dave "{\"balance\":1}"
`;

function ledger(name, more = "") {
  const db = path(name);
  run(["shell", "--strict", "--db", db], HISTORY + more);
  return db;
}

let reader;
let pruned;

before(async () => {
  await launch();
  reader = await explore(ledger("ledger.sapwood"));
  pruned = await explore(ledger("pruned.sapwood", "pin audit 2\npin release 9\nprune 6\n"));
});

after(async () => {
  const ends = [await reader.stop(), await pruned.stop()];
  await quit();
  assert.deepEqual(ends, [0, 0], "told to end, they end well");
});

const value = (page) => page.getByTestId("value");
const moment = (page) => page.getByTestId("moment");
const options = (page) => page.getByRole("option");

async function hasMoment(page, number) {
  await page.waitForFunction((number) => document.querySelector("[data-test=moment]").value === number, number);
}

/** Presses on the axis, a part of its width from the left. */
async function press(page, part, { shift = false } = {}) {
  const box = await page.locator(".chart svg").boundingBox();
  if (shift) await page.keyboard.down("Shift");
  await page.mouse.move(box.x + box.width * part, box.y + 50);
  await page.mouse.down();
  await page.mouse.up();
  if (shift) await page.keyboard.up("Shift");
}

async function waitForKeys(page, keys) {
  await page.waitForFunction(
    (keys) => [...document.querySelectorAll("[role=option] .keytext")].map((one) => one.textContent).join() === keys.join(),
    keys,
  );
}

test("the newest state is shown, and the slider goes to any past one", async () => {
  const { page, wrong } = await open(reader, "#scale=number");
  await waitForKeys(page, ["account/alice", "account/bob", "account/dave", "blob", "counter", "note.txt", "slot"]);
  await hasMoment(page, "12");
  await press(page, 0);
  await hasMoment(page, "1");
  await waitForKeys(page, ["note.txt"]);
  // 7 of 1 to 12: the note was deleted there.
  await press(page, 6.2 / 11);
  await hasMoment(page, "7");
  await waitForKeys(page, ["account/alice", "account/bob", "account/carol", "blob", "counter"]);
  assert.match(page.url(), /at=7/);
  const slider = page.getByRole("slider", { name: "The moment looked at" });
  assert.equal(await slider.getAttribute("aria-valuetext"), "timestamp 7 of 12");
  await page.getByTestId("newest").click();
  await hasMoment(page, "12");
  assert.deepEqual(wrong, []);
  await page.close();
});

test("a drag looks at every moment on its way", async () => {
  const { page } = await open(reader, "#scale=number");
  const box = await page.locator(".chart svg").boundingBox();
  await page.mouse.move(box.x + box.width - 1, box.y + 50);
  await page.mouse.down();
  const seen = new Set();
  for (let part = 1; part >= 0; part -= 0.02) {
    await page.mouse.move(box.x + box.width * part, box.y + 50);
    seen.add(await moment(page).inputValue());
  }
  await page.mouse.up();
  assert.equal(seen.size, 12, [...seen].join());
  await page.close();
});

test("a moment is typed, and kept in the address", async () => {
  const { page } = await open(reader);
  await moment(page).click();
  await moment(page).fill("4");
  await moment(page).press("Enter");
  await hasMoment(page, "4");
  await page.reload();
  await hasMoment(page, "4");
  await page.close();
});

test("keys are searched by prefix", async () => {
  const { page } = await open(reader);
  await page.keyboard.press("/");
  await page.keyboard.type("account/");
  await waitForKeys(page, ["account/alice", "account/bob", "account/dave"]);
  assert.equal(await page.getByTestId("tally").textContent(), "3 keys");
  await page.getByTestId("search").fill("nobody");
  await page.getByText("No key of this state begins so.").waitFor();
  await page.getByTestId("search").fill("b\\x6c");
  await waitForKeys(page, ["blob"]);
  await page.close();
});

test("values are read as text, JSON, integers and digits, and nothing is lost", async () => {
  const { page, wrong } = await open(reader, `#key=${hex("account/alice")}`);
  // A number too large for JavaScript stays as it was written.
  await value(page).getByText("10000000000000000000001").waitFor();
  assert.equal(
    await value(page).textContent(),
    '{\n  "balance": 10000000000000000000001,\n  "tags": [\n    "a",\n    "b"\n  ]\n}',
  );
  await page.getByTestId("as-text").click();
  assert.equal(await value(page).textContent(), '{"balance":10000000000000000000001,"tags":["a","b"]}');
  await page.getByTestId("as-hex").click();
  assert.match(await value(page).textContent(), /^0000007b 22 62 61 6c 61 6e 63 {2}65 22/);
  await page.goto(`${reader.url}#key=${hex("counter")}`);
  await page.getByText("257", { exact: true }).first().waitFor();
  assert.match(await value(page).textContent(), /unsigned, 64 bits, big-endian257/);
  await page.goto(`${reader.url}#key=${hex("blob")}&as=text`);
  await page.getByText("abc").waitFor();
  assert.equal(await value(page).textContent(), "\\xff\\xfe\\x00abc");
  await page.goto(`${reader.url}#key=${hex("slot")}&as=integer`);
  await page.getByText("1000000000000000000", { exact: true }).waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test("a key's timeline has its versions and its gaps", async () => {
  const { page } = await open(reader, `#scale=number&key=${hex("note.txt")}`);
  await page.getByText("3 versions").waitFor();
  assert.equal(await page.getByTestId("span").count(), 3);
  assert.equal(await page.getByTestId("gap").count(), 1);
  const spans = await page.getByTestId("span").evaluateAll((spans) =>
    spans.map((span) => ({ left: Number(span.getAttribute("x")), right: Number(span.getAttribute("x")) + Number(span.getAttribute("width")) })),
  );
  const [third, second, first] = spans;
  assert.ok(second.left - first.right < 2, "the first two touch");
  assert.ok(third.left - second.right > 20, "between the last two lies the gap");
  await page.getByTestId("gap").getByRole("button").click();
  await hasMoment(page, "7");
  await page.getByText("Does not exist at this moment").waitFor();
  await page.getByTestId("versions").getByRole("button").last().click();
  await hasMoment(page, "1");
  await value(page).getByText("second line").waitFor();
  assert.match(await page.getByTestId("life").textContent(), /Set at 1, until 5/);
  await page.close();
});

test("two moments are compared, and texts by their lines", async () => {
  const { page, wrong } = await open(reader, "#scale=number");
  await press(page, 0, { shift: true });
  await page.getByRole("tab", { name: "Changes" }).click();
  await page.getByText("+ 6 added").waitFor();
  assert.equal(await page.getByTestId("second").getAttribute("aria-valuetext"), "timestamp 1");
  await page.goto(`${reader.url}#view=changes&scale=number&with=2&at=10`);
  await page.getByText("~ 2 changed").waitFor();
  assert.match(await page.getByTestId("kinds").textContent(), /\+ 2 added.*~ 2 changed.*1 removed/);
  await options(page).filter({ hasText: "note.txt" }).click();
  const lines = page.getByTestId("linediff").locator(".line");
  await lines.first().waitFor();
  assert.deepEqual(await lines.allTextContents(), [" first line", "-second line", "+another second line", " third line", "+fourth line"]);
  await page.getByRole("button", { name: "1 removed" }).click();
  await waitForKeys(page, ["account/carol"]);
  await page.getByTestId("search").fill("none");
  await page.getByText("Nothing differs between these moments.").waitFor();
  // Whichever of the two is older, the difference goes on from it.
  await page.goto(`${reader.url}#view=changes&with=10&at=2`);
  await page.getByText("+ 2 added").waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
});

test("everything can be done with the keyboard", async () => {
  const { page } = await open(reader, "#scale=number");
  await waitForKeys(page, ["account/alice", "account/bob", "account/dave", "blob", "counter", "note.txt", "slot"]);
  await page.keyboard.press("ArrowLeft");
  await hasMoment(page, "11");
  await page.keyboard.press("Home");
  await page.waitForFunction(() => location.hash.includes("at=0"));
  await page.keyboard.press("ArrowRight");
  await hasMoment(page, "1");
  await page.keyboard.press("End");
  await hasMoment(page, "12");
  await page.keyboard.press("PageUp");
  await page.waitForFunction(() => document.querySelector("[data-test=moment]").value !== "12");
  await page.keyboard.press("End");
  await waitForKeys(page, ["account/alice", "account/bob", "account/dave", "blob", "counter", "note.txt", "slot"]);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.getByRole("heading", { name: "account/bob" }).waitFor();
  await page.keyboard.press("k");
  await page.getByRole("heading", { name: "account/alice" }).waitFor();
  await page.keyboard.press("c");
  assert.equal(await page.getByRole("tab", { name: "Changes" }).getAttribute("aria-selected"), "true");
  await page.keyboard.press("Shift+ArrowLeft");
  await page.keyboard.press("c");
  await page.keyboard.press("3");
  await page.getByTestId("storage").waitFor();
  await page.keyboard.press("1");
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByText("search keys by prefix").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  // The focus is seen wherever it goes.
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid");
  await page.close();
});

test("light and dark follow the system, until they are chosen", async () => {
  const { page } = await open(reader, "", { scheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  const light = await ground();
  assert.notEqual(dark, light);
  await page.keyboard.press("t");
  assert.equal(await ground(), dark);
  await page.reload();
  await page.getByTestId("slider").waitFor();
  assert.equal(await ground(), dark, "the choice is kept");
  await page.getByTestId("theme").click();
  assert.equal(await ground(), light);
  await page.evaluate(() => localStorage.clear());
  await page.close();
});

test("pins and the floor stand on the axis, and what was pruned says so", async () => {
  const { page } = await open(pruned, "#scale=number");
  assert.equal(await page.getByTestId("pin").count(), 2);
  const floor = await page.getByTestId("floor").locator("line").getAttribute("x1");
  const [audit, release] = await page.getByTestId("pin").evaluateAll((flags) => flags.map((flag) => parseFloat(flag.style.left)));
  assert.ok(audit < Number(floor) && release > Number(floor));
  await page.getByRole("button", { name: "Look at the pin audit, 2" }).click();
  await hasMoment(page, "2");
  await waitForKeys(page, ["account/alice", "account/bob", "account/carol", "note.txt"]);
  await page.goto(`${pruned.url}#at=4`);
  await page.getByText("This moment was pruned").waitFor();
  await page.getByTestId("refused").getByRole("button", { name: "Go to the floor, 6" }).click();
  await hasMoment(page, "6");
  await page.getByText("6 keys").waitFor();
  assert.equal(await page.getByTestId("refused").count(), 0);
  await page.goto(`${pruned.url}#at=99`);
  await page.getByText("This moment is not there yet").waitFor();
  await page.close();
});

test("who only reads is offered nothing else, and refused", async () => {
  const { page } = await open(reader, `#key=${hex("counter")}`);
  assert.equal(await page.getByTestId("mode").textContent(), "read-only");
  await page.getByTestId("life").waitFor();
  assert.equal(await page.getByTestId("edit").count(), 0);
  const refused = await page.evaluate(async () => {
    const body = JSON.stringify({ key: "00", value: "00" });
    const response = await fetch("/api/set", { method: "POST", headers: { "x-sapwood": "1" }, body });
    return [response.status, (await response.json()).error.kind];
  });
  assert.deepEqual(refused, [403, "read_only"]);
  await page.close();
});

test("where writes are allowed the page sets, deletes, pins, prunes and unpins", async () => {
  const explorer = await explore(ledger("written.sapwood"), "--allow-writes");
  const { page, wrong } = await open(explorer, `#key=${hex("account/bob")}&scale=number`);
  assert.equal(await page.getByTestId("mode").textContent(), "writes allowed");
  await page.getByTestId("edit").click();
  await page.getByTestId("new-value").fill("a \\\\ and \\xff");
  await page.getByTestId("save").click();
  await page.getByText("Set: the commit is 13.").waitFor();
  await page.getByTestId("as-text").click();
  await page.waitForFunction(() => document.querySelector("[data-test=value]").textContent === "a \\ and \\xff");
  await page.getByText("3 versions").waitFor();
  await page.getByTestId("delete").click();
  await page.getByTestId("delete-sure").click();
  await page.getByText("Deleted: the commit is 14.").waitFor();
  await page.getByText("Does not exist at this moment").waitFor();
  await page.goto(`${explorer.url}#view=engine&at=3`);
  await page.getByTestId("pin-name").fill("three");
  await page.getByTestId("pin-set").click();
  await page.getByText("Pinned 3 as three.").waitFor();
  assert.equal(await page.getByTestId("pin").count(), 1);
  await page.goto(`${explorer.url}#view=engine&at=9`);
  await page.getByTestId("prune").click();
  await page.getByTestId("prune-sure").click();
  await page.getByText("The floor is 9;").waitFor();
  await page.getByTestId("floor").waitFor();
  await page.getByTestId("unpin").click();
  await page.getByTestId("unpin-sure").click();
  await page.getByText("0 pins").waitFor();
  assert.deepEqual(wrong, []);
  await page.close();
  assert.equal(await explorer.stop(), 0);
  assert.equal(run(["get", "account/dave", "--db", path("written.sapwood")]).trim(), '{"balance":1}');
});

test("what is committed meanwhile comes by itself", async () => {
  const explorer = await explore(ledger("followed.sapwood"), "--allow-writes");
  const { page } = await open(explorer);
  await hasMoment(page, "12");
  const body = JSON.stringify({ key: hex("a new one"), value: "00" });
  const response = await page.request.post(`${explorer.url}api/set`, { headers: { "x-sapwood": "1" }, data: body });
  assert.equal(response.status(), 200);
  await hasMoment(page, "13");
  await options(page).filter({ hasText: "a new one" }).waitFor();
  await page.close();
  await explorer.stop();
});

test("the engine's view has figures, storage and what is kept", async () => {
  const { page, wrong } = await open(pruned, "#view=engine");
  await page.getByTestId("storage").getByText("current").first().waitFor();
  for (const keyspace of ["current", "history", "deleted", "commits", "meta"]) {
    assert.ok((await page.getByTestId("storage").getByText(keyspace, { exact: true }).count()) > 0, keyspace);
  }
  await page.getByTestId("live").getByText("Commits a second").waitFor();
  await page.getByTestId("held").getByText("audit").waitFor();
  await settled(page);
  assert.deepEqual(wrong, []);
  await page.close();
});

test("a phone's width holds every view, without scrolling sideways", async () => {
  for (const hash of ["", `#key=${hex("note.txt")}`, `#key=${hex("blob")}&as=hex`, "#view=changes&with=2", `#view=changes&with=2&key=${hex("note.txt")}`, "#view=engine"]) {
    const { page } = await open(pruned, hash.replace("with=2", "with=6"), { width: 390, height: 844 });
    await settled(page);
    const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
    assert.ok(wide <= 390, `${hash}: ${wide}`);
    await page.close();
  }
  const { page } = await open(reader, "", { width: 390, height: 844 });
  await options(page).filter({ hasText: "note.txt" }).click();
  await page.getByRole("heading", { name: "note.txt" }).waitFor();
  assert.equal(await page.getByTestId("keys").isVisible(), false);
  await page.getByRole("button", { name: "all keys" }).click();
  assert.equal(await page.getByTestId("keys").isVisible(), true);
  await page.close();
});
