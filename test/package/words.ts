import ts from "typescript";

/** A text that people read: a comment, a title of a test, or a block of a page. */
interface Prose {
  readonly text: string;
  /** Whether it is a `//` comment, whose sentences are short. */
  readonly isLineComment?: boolean;
}

const BANNED = /(?<![\w-])(deaf|ears|goodbye|wish|fate|told|hears|verdict|storm)(?![\w-])/i;
const OPENER = /^(Who|Whoever|What|Of|Nobody)\b/;
const MAX_COMMENT_WORDS = 25;
/** Code, links, addresses, paths, names in quotation marks, and marks of emphasis: not sentences, whatever they hold. */
const QUOTED =
  /`[^`]*`|\{@\w+ [^}]*\}|\[([^\]]*)\]\([^)]*\)|"[^"\n]*"|“[^”]*”|<[^>\n]*>|https?:\S+|[\w./-]*\/[\w./-]+|\*\*|__/g;

/** The comments of a program and the titles of its tests. Line comments that follow each other are one text. */
export function proseOf(file: string, source: string): Prose[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const found: Prose[] = [];
  const ranges = new Map<number, ts.CommentRange>();
  const visit = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(source, node.getFullStart()) ?? []) ranges.set(range.pos, range);
    for (const range of ts.getTrailingCommentRanges(source, node.getEnd()) ?? []) ranges.set(range.pos, range);
    if (ts.isCallExpression(node) && /^(test|it|describe|define|each)\b/.test(node.expression.getText())) {
      const title = node.arguments.find((argument) => ts.isStringLiteralLike(argument)) as ts.StringLiteral | undefined;
      if (title) found.push({ text: title.text });
    }
    for (const child of node.getChildren(tree)) visit(child);
  };
  visit(tree);
  let last: { text: string; isLineComment: boolean; end: number } | undefined;
  for (const { pos, end, kind } of [...ranges.values()].sort((a, b) => a.pos - b.pos)) {
    const isLineComment = kind === ts.SyntaxKind.SingleLineCommentTrivia;
    const text = isLineComment
      ? source.slice(pos + 2, end)
      : source
          .slice(pos + 2, end - 2)
          .replace(/^[ *]+/gm, "")
          .replace(/^@example[\s\S]*?(?=^@|$(?![\s\S]))/gm, "");
    if (isLineComment && last?.isLineComment && /^\n[ \t]*$/.test(source.slice(last.end, pos))) {
      last.text += text;
      last.end = end;
    } else {
      last = { text, isLineComment, end };
      found.push(last);
    }
  }
  return found.filter(({ text }) => !/^[/ ]*(biome-ignore|@ts-|<reference)/.test(text));
}

/** The paragraphs, list items and cells of a page; headings and blocks of code are none. */
export function proseOfPage(markdown: string): Prose[] {
  return markdown
    .replace(/^```[\s\S]*?^```$|<!--[\s\S]*?-->|^#.*$/gm, "\n\n")
    .split(/\n\s*\n|^\s*(?:[-*>]|\d+\.) |(?<!\\)\|/m)
    .map((text) => ({ text }));
}

/** Finds the places in a text that break the rules for sentences. */
export function faultsIn({ text, isLineComment = false }: Prose): string[] {
  const plain = text.replace(QUOTED, "X").replace(/\s+/g, " ");
  return plain.split(/(?<=[.!?]) (?=[A-Z“"(])|\n/).flatMap((each) => {
    const sentence = each.trim();
    const banned = BANNED.exec(sentence)?.[1];
    const opener = OPENER.exec(sentence)?.[1];
    const words = sentence.split(" ").length;
    return [
      ...(banned ? [`the word ${banned}: ${sentence}`] : []),
      ...(opener ? [`a sentence that begins with ${opener}: ${sentence}`] : []),
      ...(isLineComment && words > MAX_COMMENT_WORDS ? [`a sentence of ${words} words: ${sentence}`] : []),
    ];
  });
}
