import { judgeFake } from "./fake-class.ts";

judgeFake("Node");
