import { useData } from "vitepress";
import DefaultTheme from "vitepress/theme";
import { onMounted, watch } from "vue";
import Diagram from "./diagram.vue";
import Playground from "./playground.vue";
import Try from "./try.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  setup() {
    const { frontmatter } = useData();
    // The first page has no landmark for its content otherwise, as the other layouts have.
    const mark = () => {
      const content = document.getElementById("VPContent");
      if (content) content.role = frontmatter.value.layout === "home" ? "main" : null;
    };
    onMounted(mark);
    watch(frontmatter, mark, { flush: "post" });
  },
  enhanceApp({ app }) {
    app.component("Diagram", Diagram);
    app.component("Playground", Playground);
    app.component("Try", Try);
  },
};
