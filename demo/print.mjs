// @ts-check

/**
 * Prints text of clients, which must not move the cursor, colour the terminal or turn the reading direction.
 *
 * @param {string} line
 */
export function print(line) {
  const safe = line.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escapeCharacter);
  console.log(`${new Date().toTimeString().slice(0, 8)} ${safe}`);
}

/** @param {string} character */
function escapeCharacter(character) {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
