export { type FaultProxy, type FaultProxyOptions, faultProxy, type Side } from "./fault-proxy.ts";
