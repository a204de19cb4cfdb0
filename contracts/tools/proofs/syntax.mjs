#!/usr/bin/env node
// Prints {path: AST} of every file under src/ as JSON. The compiler stops after parsing: a second, not a minute.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const solc = createRequire(join(root, "package.json"))("solc");
const paths = readdirSync(join(root, "src"), { recursive: true }).filter((path) => path.endsWith(".sol")).sort();
const sources = Object.fromEntries(
  paths.map((path) => [`src/${path}`, { content: readFileSync(join(root, "src", path), "utf8") }]),
);
const settings = { stopAfter: "parsing", outputSelection: { "*": { "": ["ast"] } } };
const answer = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
const broken = (answer.errors ?? []).filter((error) => error.severity === "error");
if (broken.length) {
  console.error(broken.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const trees = Object.fromEntries(Object.entries(answer.sources).map(([path, { ast }]) => [path, ast]));
writeFileSync(1, JSON.stringify(trees));
