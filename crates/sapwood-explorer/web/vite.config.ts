// How the front end is built: into ../dist, under fixed names, with the hash of what it was built from.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

// What the build depends on, in the order of its names. tests/front_end.rs computes the same.
const SOURCES = ["index.html", "package-lock.json", "package.json", "public", "src", "tsconfig.json", "vite.config.ts"];

function files(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => files(join(path, name)));
}

function noteSources(): Plugin {
  return {
    name: "note-sources",
    closeBundle() {
      const hash = createHash("sha256");
      for (const path of SOURCES.flatMap(files)) {
        hash.update(`${path}\0`);
        hash.update(readFileSync(path));
        hash.update("\0");
      }
      writeFileSync("../dist/sources.sha256", `${hash.digest("hex")}\n`);
    },
  };
}

// The packages that end up in what is built, whose licences ask to be told of.
const BUNDLED = ["@preact/signals", "@preact/signals-core", "diff", "preact"];

function noteLicences(): Plugin {
  return {
    name: "note-licences",
    closeBundle() {
      const one = (name: string) => {
        const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
        const text = readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim();
        return `${name} ${version} (${license})\n\n${text}\n`;
      };
      writeFileSync("../dist/licences.txt", BUNDLED.map(one).join(`\n${"-".repeat(80)}\n\n`));
    },
  };
}

export default defineConfig({
  base: "./",
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    target: "es2022",
    rollupOptions: {
      output: {
        entryFileNames: "explorer.js",
        chunkFileNames: "explorer-[name].js",
        assetFileNames: "explorer[extname]",
      },
    },
  },
  plugins: [noteSources(), noteLicences()],
});
