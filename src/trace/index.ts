export {
  type Trace,
  type TraceableConn,
  type TracedEvent,
  type TraceEntry,
  type TraceOptions,
  trace,
} from "./trace.ts";
