// Not by name, because bundles that need `require` often declare `createRequire` at their top.
import nodeModule from "node:module";

let isThere: boolean | undefined;

/** Whether `ws` masks with the addon `bufferutil`. Looked up once. */
export function hasNativeMask(): boolean {
  isThere ??= canLoadAddon(() => import.meta.url, process.env);
  return isThere;
}

/**
 * Whether the `ws` that code at `place` imports loads the addon, as `ws` itself looks for it: in its own folder and those
 * above, unless the environment forbids it. False where a bundler has moved the code, so that `ws` can't be found, or the
 * code has no place.
 */
export function canLoadAddon(
  place: () => string,
  { WS_NO_BUFFER_UTIL }: { readonly WS_NO_BUFFER_UTIL?: string | undefined },
): boolean {
  if (WS_NO_BUFFER_UTIL) return false;
  try {
    nodeModule.createRequire(nodeModule.createRequire(place()).resolve("ws"))("bufferutil");
    return true;
  } catch {
    return false;
  }
}
