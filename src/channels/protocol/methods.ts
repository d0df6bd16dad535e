/** Request of a client: attaches channels. Its parameters are {@link SubscribeParams}, its result is null. */
export const SUBSCRIBE = "$/subscribe";
/** Notification of a client: detaches channels. Its parameters are {@link UnsubscribeParams}. */
export const UNSUBSCRIBE = "$/unsubscribe";
/** Request of a client: publishes a message. Its parameters are {@link PublishParams}, its result {@link PublishResult}. */
export const PUBLISH = "$/publish";
/** Notification of a server: a channel continues after a position. Its parameters are {@link AttachedParams}. */
export const ATTACHED = "$/attached";
/** Notification of a server: a channel is not attached, or not any more. Its parameters are {@link RefusedParams}. */
export const REFUSED = "$/refused";
/** Notification of a server: one message of a channel. Its parameters are {@link MessageParams}. */
export const MESSAGE = "$/message";
/** Notification of a server: the members of a channel. Its parameters are {@link MembersParams}. */
export const MEMBERS = "$/members";
