/** A number from 0 up to 1, as `Math.random` gives. */
export type Random = () => number;
