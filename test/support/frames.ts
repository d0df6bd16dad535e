import fc from "fast-check";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A frame of WebSocket, valid or not. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly isLast?: boolean;
  readonly extensionBits?: number;
  /** The other mask bit than the peer's frames must have. */
  readonly isMaskWrong?: boolean;
  /** A longer form of the length than is needed. */
  readonly lengthBytes?: 0 | 2 | 8;
}

/** Returns the bytes of a frame that a server is sent, or a client. */
export function encode(frame: Frame, isServer: boolean): Buffer {
  const { opcode, payload, isLast = true, extensionBits = 0, isMaskWrong = false } = frame;
  const { length } = payload;
  const needed = length > 65_535 ? 8 : length > 125 ? 2 : 0;
  const lengthBytes = Math.max(needed, frame.lengthBytes ?? 0);
  const isMasked = isServer !== isMaskWrong;
  const code = lengthBytes === 8 ? 127 : lengthBytes === 2 ? 126 : length;
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = (isLast ? 0x80 : 0) | extensionBits | opcode;
  header[1] = (isMasked ? 0x80 : 0) | code;
  if (lengthBytes === 2) header.writeUInt16BE(length, 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([header, payload]);
  const key = Buffer.from([7, 0, 251, length & 0xff]);
  return Buffer.concat([header, key, payload.map((byte, i) => byte ^ (key[i & 3] as number))]);
}

export const text = (content: string): Frame => ({ opcode: TEXT, payload: Buffer.from(content) });
const bytesOf = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const one = (frame: fc.Arbitrary<Frame>) => frame.map((value): Frame[] => [value]);

const control = fc.record({ opcode: fc.constantFrom(PING, PONG), payload: bytesOf(125) });

/** Frames of which most break RFC 6455. */
const oddFrame = fc.record(
  {
    opcode: fc.nat(15),
    payload: bytesOf(130),
    isLast: fc.boolean(),
    extensionBits: fc.constantFrom(0, 0, 0, 0x10, 0x20, 0x40),
    isMaskWrong: fc.constantFrom(false, false, true),
    lengthBytes: fc.constantFrom(0, 2, 8) as fc.Arbitrary<0 | 2 | 8>,
  },
  { requiredKeys: ["opcode", "payload"] },
);

const close = fc.record({
  opcode: fc.constant(CLOSE),
  payload: fc.constantFrom(Buffer.alloc(0), Buffer.from("\x03\xe8", "latin1"), Buffer.from("\x03\xe8bye", "latin1")),
});

/** Returns streams of up to 12 messages and other frames, some of them about as long as `maxBytes`, and some invalid. */
export function frameStreams(maxBytes: number): fc.Arbitrary<Frame[]> {
  const long = fc.integer({ min: Math.floor(maxBytes * 0.9), max: Math.ceil(maxBytes * 1.02) });
  const payload = fc.oneof(
    { weight: 8, arbitrary: bytesOf(200) },
    { weight: 1, arbitrary: long.map((length) => Buffer.alloc(length, length)) },
    { weight: 1, arbitrary: fc.constantFrom(Buffer.alloc(0), Buffer.alloc(maxBytes), Buffer.alloc(maxBytes + 1)) },
  );
  const message = fc.record({
    opcode: fc.constantFrom(TEXT, BINARY),
    payload,
    lengthBytes: fc.constantFrom(0, 0, 0, 2, 8) as fc.Arbitrary<0 | 2 | 8>,
  });
  /** A message in parts, with a ping between them. */
  const parts = fc
    .tuple(message, fc.array(payload, { maxLength: 3 }), control)
    .map(([first, rest, ping]): Frame[] => [
      { ...first, isLast: rest.length === 0 },
      ping,
      ...rest.map((bytes, i) => ({ opcode: 0, payload: bytes, isLast: i === rest.length - 1 })),
    ]);
  const some = fc.oneof(
    { weight: 12, arbitrary: one(message) },
    { weight: 3, arbitrary: one(control) },
    { weight: 2, arbitrary: parts },
    { weight: 1, arbitrary: one(oddFrame) },
    { weight: 1, arbitrary: one(close) },
  );
  return fc.array(some, { minLength: 1, maxLength: 12 }).map((all) => all.flat());
}
