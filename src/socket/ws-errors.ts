/**
 * Errors of `ws` that another attempt can't cure. The other codes (`WS_ERR_EXPECTED_FIN`, `INVALID_CLOSE_CODE`,
 * `INVALID_CONTROL_PAYLOAD_LENGTH`, `INVALID_OPCODE`, `INVALID_UTF8`, `UNEXPECTED_RSV_1`, `UNEXPECTED_RSV_2_3`) are retried,
 * because a gateway that writes into the connection causes them too.
 */
export const INCURABLE: Readonly<Record<string, string>> = {
  WS_ERR_EXPECTED_MASK: "The peer does not mask its frames: it is no client (RFC 6455, section 5.1).",
  WS_ERR_UNEXPECTED_MASK: "The peer masks its frames: it is no server (RFC 6455, section 5.1).",
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: "The peer sent a frame of more than 2^53 - 1 bytes.",
  WS_ERR_TOO_MANY_BUFFERED_PARTS:
    "The peer sent a message in too many parts: raise maxFragments or maxBufferedChunks in clientOptions.",
};

/**
 * Codes of Node for certificates that were refused, on either side (tls, "X509 certificate error codes"). Without
 * `CERT_NOT_YET_VALID`, because a machine that has just started may have no time yet.
 */
export const CERTIFICATE_ERROR =
  /^(?!.*NOT_YET_VALID)(?:ERR_\w+_)?(?:\w+_)?(?:CERT|CRL|UNABLE_TO|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME)/;

/** An error of `ws` or of the TCP socket. */
export type SocketError = Error & { readonly code?: string };
