import { mount } from "svelte";
import Runes from "./Runes.svelte";

mount(Runes, { target: document.querySelector("#app") as Element });
