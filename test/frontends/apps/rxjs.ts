import { combineLatest, distinctUntilChanged, from, map } from "rxjs";
import { connection, total } from "./live.ts";
import { show } from "./show.ts";

const state = from(connection).pipe(
  map((now) => now.state),
  distinctUntilChanged(),
);
combineLatest([from(total), state]).subscribe(([sum, name]) => show(`${sum} ${name}`));
