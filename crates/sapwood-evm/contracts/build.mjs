// Compiles the contracts of this folder with solc from npm: npm ci && node build.mjs
// Writes NAME.bin (what is sent to create the contract, then what is stored of it, a line of hex each), NAME.abi.json,
// and sources.sha256: the hash of what all of it was made of, and of what was made. tests/contracts.rs computes the same.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const CONTRACTS = ["Exchange", "Token"];
// What the result depends on, in the order of its names.
const SOURCES = ["Exchange.sol", "Token.sol", "build.mjs", "package-lock.json", "package.json"];

const folder = new URL(".", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder));

const input = {
  language: "Solidity",
  sources: Object.fromEntries(CONTRACTS.map((name) => [`${name}.sol`, { content: read(`${name}.sol`).toString() }])),
  settings: {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 1_000_000 },
    // No hash of what the compiler saw behind the code: the same code from the same source, wherever it lies.
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};

const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const message of output.errors ?? []) console.error(message.formattedMessage);
if (output.errors?.length) process.exit(1);

for (const name of CONTRACTS) {
  const { abi, evm } = output.contracts[`${name}.sol`][name];
  writeFileSync(new URL(`${name}.bin`, folder), `${evm.bytecode.object}\n${evm.deployedBytecode.object}\n`);
  writeFileSync(new URL(`${name}.abi.json`, folder), `${JSON.stringify(abi, null, 2)}\n`);
  console.log(`${name}: ${evm.deployedBytecode.object.length / 2} bytes`);
}

const made = CONTRACTS.flatMap((name) => [`${name}.abi.json`, `${name}.bin`]);
const hashes = [SOURCES, made].map((names) => {
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(`${name}\0`);
    hash.update(read(name));
    hash.update("\0");
  }
  return hash.digest("hex");
});
writeFileSync(new URL("sources.sha256", folder), `${hashes.join("\n")}\n`);
console.log(solc.version());
