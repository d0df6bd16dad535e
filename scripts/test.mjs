// The one command that checks everything: `npm test`. Its last line is the count, and its exit code is 1 if a check failed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findBun, findChromium } from "./browsers.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const env = { ...process.env, PATH: join(root, "node_modules/.bin") + delimiter + process.env.PATH };
const count = { passed: 0, failed: 0, skipped: 0 };
const report = [];

function settle(name, outcome, note) {
  count[outcome]++;
  report.push(`${name.padEnd(10)} ${outcome.padEnd(8)} ${note}`);
  return outcome === "passed";
}

function run(command, ...args) {
  return spawnSync(command, args, { cwd: root, env, stdio: "inherit" }).status === 0;
}

function timed(work) {
  const start = performance.now();
  const value = work();
  return [value, `${((performance.now() - start) / 1000).toFixed(1)} s`];
}

/** Runs commands until one fails; all together are one check. */
function step(name, ...commands) {
  console.log(`\n== ${name}`);
  const [passed, time] = timed(() => commands.every((command) => run(...command)));
  return settle(name, passed ? "passed" : "failed", time);
}

/** Without a tool its tests skip themselves; in CI that must not pass for a success. */
function need(name, found, advice) {
  if (found) return;
  console.log(`\n== ${name}: none found, so the tests that need it are skipped. ${advice}`);
  if (process.env.CI === "true") settle(name, "failed", "missing, and CI must not skip");
  else report.push(`${name.padEnd(10)} missing  its tests are skipped`);
}

function vitest(projects) {
  console.log("\n== tests");
  const folder = mkdtempSync(join(tmpdir(), "tautline-"));
  const file = join(folder, "tests.json");
  const selection = projects.flatMap((project) => ["--project", project]);
  const reporters = ["--reporter", "default", "--reporter", "json", `--outputFile.json=${file}`];
  const [passed, time] = timed(() => run("vitest", "run", ...selection, ...reporters));
  try {
    const { numPassedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(readFileSync(file, "utf8"));
    const failed = testResults.flatMap(({ status, assertionResults }) => {
      const failures = assertionResults.filter((test) => test.status === "failed");
      // A file that could not be loaded has no tests to fail.
      return status === "failed" && failures.length === 0 ? [status] : failures;
    }).length;
    count.passed += numPassedTests;
    count.skipped += numPendingTests + numTodoTests;
    // An error outside any test fails the run alone.
    count.failed += passed ? failed : Math.max(1, failed);
    report.push(`${"tests".padEnd(10)} ${passed ? "passed  " : "failed  "} ${time}`);
  } catch {
    settle("tests", "failed", `${time}, and no count was written`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

need("Chromium", findChromium(), "Install it (on Debian: apt-get install chromium) or set CHROMIUM to its path.");
need("Bun", findBun(), "Run: npm ci --prefix test/runtimes");

step("lint", ["biome", "check", "--error-on-warnings"]);
if (step("build", ["rollup", "-c", "--silent"], ["node", "scripts/integrity.mjs"])) {
  // After the build: the demo and the examples import the package by its name.
  step("types", ["tsc", "-p", "."]);
  step("package", ["publint", "--strict"], ["attw", "--pack", "."]);
  step("size", ["node", "scripts/size.mjs"]);
  vitest(["unit", "contract", "package", "browser"]);
} else {
  for (const name of ["types", "package", "size"]) settle(name, "skipped", "nothing was built");
  vitest(["unit"]);
}

const { passed, failed, skipped } = count;
console.log(`\n${report.join("\n")}\n`);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed ? 1 : 0;
