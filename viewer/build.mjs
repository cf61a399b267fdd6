// Builds the page that nearfar fills with data: src/ and what it imports, as one HTML file in the Python package.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const TARGET = new URL("../src/nearfar/visualize/assets/viewer.html", import.meta.url);

// every file that decides what is built; the tests compare it with what is checked in
async function fingerprint() {
  const hash = createHash("sha256");
  const sources = (await readdir(new URL("src/", import.meta.url))).sort().map((name) => `src/${name}`);
  for (const name of ["build.mjs", "package-lock.json", ...sources]) {
    hash.update(name).update(await readFile(new URL(name, import.meta.url)));
  }
  return hash.digest("hex");
}

// of all that is not for development only: regl-scatterplot comes with most of it bundled in
async function licences() {
  const lock = JSON.parse(await readFile(new URL("package-lock.json", import.meta.url), "utf8"));
  const packages = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path && !dev)
    .map(([path]) => path.replace("node_modules/", ""));
  const texts = [];
  for (const name of packages.sort()) {
    const folder = new URL(`node_modules/${name}/`, import.meta.url);
    const { version, license } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} has no licence file`);
    texts.push(`${name} ${version} (${license})\n\n${(await readFile(new URL(file, folder), "utf8")).trim()}`);
  }
  texts.push((await readFile(new URL("licences/kdbush.txt", import.meta.url), "utf8")).trim());
  return texts.join(`\n\n${"-".repeat(80)}\n\n`);
}

async function bundle(entry, format) {
  const result = await build({
    entryPoints: [entry], bundle: true, minify: true, write: false, format,
    target: ["chrome109", "firefox115", "safari16.4"], legalComments: "none", charset: "utf8", logLevel: "warning",
  });
  return result.outputFiles[0].text.trim();
}

const script = await bundle("src/main.ts", "esm");
const style = await bundle("src/style.css");
const parts = {
  style,
  script,
  licences: `<!-- built from sources ${await fingerprint()}\n\n${(await licences()).replaceAll("-->", "-- >").replaceAll(/-{3,}/g, "=".repeat(80))}\n-->`,
};
let page = await readFile(new URL("src/index.html", import.meta.url), "utf8");
for (const [name, text] of Object.entries(parts)) page = page.replace(`<!--nearfar:${name}-->`, () => text);
await writeFile(TARGET, page);
console.log(`${TARGET.pathname.split("/").slice(-4).join("/")}: ${(page.length / 1024).toFixed(0)} kB`);
