#!/usr/bin/env node
// Where the platform binary of a Foundry tool lies: `node tools/bin.mjs anvil` prints its path.
// The npm wrappers start the binary as a child that outlives them when they are killed; whoever starts a
// long-lived tool (anvil) should start this path instead.
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

export function binary(tool) {
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch] ?? process.arch;
  const name = process.platform === "win32" ? `${tool}.exe` : tool;
  const path = join(root, "node_modules", "@foundry-rs", `${tool}-${process.platform}-${arch}`, "bin", name);
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`npm ci\` in contracts/`);
  return path;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    console.log(binary(process.argv[2] ?? "forge"));
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
