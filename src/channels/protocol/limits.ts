/** Names in one `$/subscribe` or `$/unsubscribe`: a client with more sends several frames. */
export const MAX_NAMES = 128;
/** Bytes of UTF-8 of a channel's name. */
export const MAX_NAME_BYTES = 200;
/** Characters of the `id` of a publish. */
export const MAX_ID_LENGTH = 128;
/** Members above which only their number is sent. */
export const MAX_MEMBERS = 1_000;
