import type { Store } from "tautline/store";
import { onMounted, onUnmounted, type ShallowRef, shallowRef } from "vue";

export function useStore<T>(store: Store<T>): Readonly<ShallowRef<T>> {
  const value = shallowRef(store.initial) as ShallowRef<T>;
  let off = () => {};
  onMounted(() => {
    off = store.subscribe((now) => {
      value.value = now;
    });
  });
  onUnmounted(() => off());
  return value;
}
