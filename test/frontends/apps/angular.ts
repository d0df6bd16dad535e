import { Component, type Signal } from "@angular/core";
import { toSignal } from "@angular/core/rxjs-interop";
import type { Status } from "tautline/store";
import { connection, total } from "./live.ts";

@Component({ selector: "app-prices", template: "<p>{{ sum() }} {{ now().state }}</p>" })
export class Prices {
  readonly sum: Signal<number> = toSignal(total, { requireSync: true });
  readonly now: Signal<Status> = toSignal(connection, { requireSync: true });
}
