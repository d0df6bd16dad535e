import { Admission, type AdmissionOptions } from "../../../src/server/admission.ts";

/** An Admission whose clock stands where `atMs` puts it. */
export function gate(options: AdmissionOptions, maxWaitMs?: number) {
  let nowMs = 0;
  const admission = new Admission(options, maxWaitMs, () => nowMs);
  return (atMs: number) => {
    nowMs = atMs;
    return admission.ask();
  };
}
