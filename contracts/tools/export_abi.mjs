#!/usr/bin/env node
// Builds the deployable contracts with the release profile and writes abi/<Name>.json:
//   {"contractName", "abi", "bytecode", "sourceHash"}
// `--check` writes nothing and fails when the committed files are not what the sources give.
//
// The build starts from nothing every time: names inside the compiler follow the set of files that it was given, so
// a partial build could place the same code differently.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { binary } from "./bin.mjs";

const ACCESS_MANAGER = "node_modules/@openzeppelin/contracts/access/manager/AccessManager.sol";
const CONTRACTS = [
  "AccessManager",
  "Appeals",
  "AttestationAdapter",
  "BisectionGame",
  "BlsAttestations",
  "ConsensusVerifier",
  "Create3Factory",
  "Decoys",
  "DissentCases",
  "Dissents",
  "DrandSource",
  "EcdsaAttestations",
  "MLBridge",
  "MLBridgeGovernor",
  "MLBridgeToken",
  "ModelRegistry",
  "PaymentChannels",
  "PolicyRegistry",
  "PrevrandaoSource",
  "ProofAdapter",
  "RandomnessBeacon",
  "RewardDistributor",
  "RewardPool",
  "SealingKeys",
  "ServingModule",
  "Settlement",
  "SlashEscrow",
  "StakeSnapshots",
  "Summons",
  "TaskManager",
  "TaskModule",
  "TeamVesting",
  "TimelockController",
  "VoterRoll",
];
// The largest code, and the largest creation code, that a chain accepts (EIP-170, EIP-3860).
const LARGEST = 24_576;
const LARGEST_CREATION = 2 * LARGEST;

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "abi");

function build() {
  const out = join("out", "abi");
  execFileSync(
    binary("forge"),
    ["build", "--force", "--quiet", "--out", out, "--cache-path", join("cache", "abi"), "src", ACCESS_MANAGER],
    { cwd: root, env: { ...process.env, FOUNDRY_PROFILE: "release" }, stdio: ["ignore", "inherit", "inherit"] },
  );
  return join(root, out);
}

const bytes = (code) => (code.object.length - 2) / 2;

// Whatever can be created on the way must fit too, such as a contract that another one makes at its construction.
function tooLarge(out) {
  const found = [];
  for (const folder of readdirSync(out).filter((name) => name.endsWith(".sol"))) {
    for (const file of readdirSync(join(out, folder))) {
      const built = JSON.parse(readFileSync(join(out, folder, file), "utf8"));
      const [size, creation] = [bytes(built.deployedBytecode), bytes(built.bytecode)];
      if (size > LARGEST || creation > LARGEST_CREATION) {
        found.push(`${basename(file, ".json")}: ${size} bytes of code, ${creation} to create it`);
      }
    }
  }
  return found;
}

function artifact(out, name) {
  const built = JSON.parse(readFileSync(join(out, `${name}.sol`, `${name}.json`), "utf8"));
  if (Object.keys(built.bytecode.linkReferences ?? {}).length) throw new Error(`${name} needs a library linked`);
  const size = bytes(built.deployedBytecode);
  // Everything the bytes depend on: compiler, settings, and each source below this contract by its hash.
  const { compiler, settings, sources } = built.metadata;
  const { compilationTarget: _, ...rest } = settings;
  const inputs = Object.keys(sources)
    .sort()
    .map((path) => [path, sources[path].keccak256]);
  const sourceHash = createHash("sha256").update(JSON.stringify([compiler.version, rest, inputs])).digest("hex");
  const fields = { contractName: name, abi: built.abi, bytecode: built.bytecode.object, sourceHash: `0x${sourceHash}` };
  return { text: `${JSON.stringify(fields, null, 1)}\n`, size };
}

const check = process.argv.includes("--check");
let out;
try {
  out = build();
} catch {
  console.error("the release build failed; its messages stand above");
  process.exit(1);
}
const large = tooLarge(out);
if (large.length) {
  console.error(`a chain accepts ${LARGEST} bytes of code and ${LARGEST_CREATION} to create it:\n${large.join("\n")}`);
  process.exit(1);
}
const stale = [];
mkdirSync(target, { recursive: true });
for (const name of CONTRACTS) {
  const { text, size } = artifact(out, name);
  const path = join(target, `${name}.json`);
  const current = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (current !== text) {
    stale.push(name);
    if (!check) writeFileSync(path, text);
  }
  console.log(`${name.padEnd(20)} ${String(size).padStart(6)} bytes${current === text ? "" : check ? "  STALE" : "  written"}`);
}
const known = new Set(CONTRACTS.map((name) => `${name}.json`));
for (const file of readdirSync(target).filter((name) => !known.has(name))) {
  stale.push(file);
  if (!check) rmSync(join(target, file));
  console.log(`${file}  ${check ? "UNKNOWN" : "removed"}`);
}
if (check && stale.length) {
  console.error(`abi/ does not match the sources (${stale.join(", ")}): run \`npm run abi\` in contracts/ and commit it`);
  process.exit(1);
}
