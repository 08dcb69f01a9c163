// The page over real histories: what it shows is what the command says; and pictures of it, to be looked at.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { selectors } from "playwright-core";
import { data, explore, hex, launch, open, path, quit, run, settled, shoot } from "../support.mjs";

selectors.setTestIdAttribute("data-test");

before(launch);
after(quit);

const SIZES = [
  ["1440", { width: 1440, height: 900 }],
  ["390", { width: 390, height: 844 }],
];

/** Pictures of some views, wide and narrow, light and dark. */
async function shootAll(explorer, name, views) {
  for (const [view, hash] of Object.entries(views)) {
    for (const [width, size] of SIZES) {
      for (const scheme of ["light", "dark"]) {
        const { page, wrong } = await open(explorer, hash, { ...size, scheme });
        await settled(page);
        await shoot(page, `${name}-${view}-${width}-${scheme}`);
        assert.deepEqual(wrong, []);
        await page.close();
      }
    }
  }
}

/** How many keys of a state begin with a prefix, by the command. */
function count(db, prefix, ts) {
  const answer = run(["scan", "--json", "--db", db, "--prefix", prefix, "--ts", String(ts)]);
  return JSON.parse(answer).rows.length;
}

/** The same, page by page through the API. */
function countPages(page, prefix, ts) {
  return page.evaluate(
    async ([prefix, ts]) => {
      let [total, after] = [0, ""];
      for (;;) {
        const page = await (await fetch(`/api/keys?at=${ts}&prefix=${prefix}&limit=1000&preview=0${after}`)).json();
        total += page.rows.length;
        if (page.next === null) return total;
        after = `&after=${page.next}`;
      }
    },
    [hex(prefix), ts],
  );
}

test("an imported git history", { timeout: 600_000 }, async (t) => {
  const changes = data("git-histories/tokio.changes.xz");
  if (!changes) return t.skip();
  const db = path("tokio.sapwood");
  run(["import", "changes", changes, "--db", db]);
  run(["pin", "first-release", "120", "--db", db]);
  run(["pin", "one-point-zero", "2600", "--db", db]);
  run(["prune", "--before", "400", "--db", db]);
  const moments = [120, 400, 1234, 2600, 4000];
  const expected = moments.map((ts) => count(db, "tokio/", ts));
  const explorer = await explore(db);
  const { page } = await open(explorer);
  for (const [index, ts] of moments.entries()) {
    await page.goto(`${explorer.url}#at=${ts}&prefix=tokio/`);
    const total = await countPages(page, "tokio/", ts);
    assert.equal(total, expected[index], `at ${ts}`);
    const shown = Math.min(total, 200);
    await page.getByTestId("tally").getByText(`${shown}${total > 200 ? "+" : ""} key`).waitFor();
  }
  // All of them are listed, page by page.
  await page.goto(`${explorer.url}#at=4000&prefix=tokio/`);
  for (;;) {
    const options = await page.getByRole("option").count();
    if (options === expected[4]) break;
    await page.getByRole("option").last().scrollIntoViewIfNeeded();
    await page.waitForFunction((before) => document.querySelectorAll("[role=option]").length > before, options);
  }
  await page.close();
  await shootAll(explorer, "git", {
    state: `#at=2600&prefix=tokio/src/&key=${hex("tokio/src/lib.rs")}`,
    changes: `#view=changes&at=2600&with=1900&prefix=tokio/&key=${hex("tokio/Cargo.toml")}`,
    engine: "#view=engine&at=2600",
    keys: "#at=3000&scale=number&bars=changes",
  });
  assert.equal(await explorer.stop(), 0);
});

test("states of Ethereum", { timeout: 600_000 }, async (t) => {
  const states = data("ethereum-state");
  if (!states) return t.skip();
  const db = path("ethereum.sapwood");
  run(["import", "ethereum-state", states, "--db", db]);
  run(["pin", "the-merge", "15537393", "--db", db]);
  const expected = count(db, "account/", 15537393);
  const explorer = await explore(db);
  const { page } = await open(explorer, "#at=15537393&prefix=account/");
  await settled(page);
  // From block to block, however far they are apart.
  const before = await page.getByTestId("moment").inputValue();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((before) => document.querySelector("[data-test=moment]").value !== before, before);
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction((before) => document.querySelector("[data-test=moment]").value === before, before);
  assert.equal(await countPages(page, "account/", 15537393), expected);
  const weth = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
  await page.close();
  await shootAll(explorer, "ethereum", {
    state: `#key=${hex(`account/${weth}`)}&prefix=account/0xc`,
    changes: `#view=changes&at=19426586&with=15537393&prefix=account/&key=${hex(`account/${weth}`)}`,
    blocks: `#scale=number&bars=changes&at=15537393&prefix=slot/${weth}`,
  });
  assert.equal(await explorer.stop(), 0);
});
