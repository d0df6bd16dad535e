import { createApp, h } from "vue";
import { connection, total } from "./live.ts";
import { useStore } from "./vue-store.ts";

const page = globalThis as { renders?: number };

createApp({
  setup() {
    const sum = useStore(total);
    const now = useStore(connection);
    return () => {
      page.renders = (page.renders ?? 0) + 1;
      return h("p", `${sum.value} ${now.value.state}`);
    };
  },
}).mount("#app");
