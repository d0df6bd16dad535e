// The lines that the run prints, and the count of what held.

/** Prints each line with the seconds since the start, and counts. */
export function createReport() {
  const begun = performance.now();
  const count = { passed: 0, failed: 0 };
  const say = (text) => console.log(`${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
  const fail = (text) => {
    count.failed++;
    say(`FAILED: ${text}`);
  };
  return {
    say,
    fail,
    /** Runs a case, which has passed if nothing failed meanwhile. */
    async case(run) {
      const before = count.failed;
      await run();
      if (count.failed === before) count.passed++;
    },
    /** Makes one line of faults of one kind: their numbers and names left out. */
    failByKind(faults) {
      const kinds = new Map();
      for (const fault of faults) {
        const kind = fault.replace(/\S*\d\S*/g, "#");
        kinds.set(kind, [...(kinds.get(kind) ?? []), fault]);
      }
      for (const [first, ...others] of kinds.values())
        fail(`${first}${others.length > 0 ? `, and ${others.length} more` : ""}`);
    },
    /** Prints the summary, and sets the exit code. */
    end() {
      say(`${count.passed} passed, ${count.failed} failed`);
      process.exitCode = count.failed === 0 ? 0 : 1;
    },
  };
}
