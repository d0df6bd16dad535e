import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const SRC = join(import.meta.dirname, "../../src");

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(SRC, file), "utf8"), ts.ScriptTarget.ES2022, true);
}

const nameOf = ({ name }: { readonly name?: ts.PropertyName | undefined }) =>
  name && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? name.text : undefined;

function declared(file: string, name: string): ts.Statement {
  const found = parse(file).statements.find(
    (statement) =>
      (ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        ts.isClassDeclaration(statement)) &&
      statement.name?.text === name,
  );
  if (!found) throw new Error(`${file} declares no ${name}.`);
  return found;
}

/** The members of an interface as it is written, without those that it inherits. */
export function membersOf(file: string, name: string): string[] {
  const found = declared(file, name) as ts.InterfaceDeclaration;
  return found.members.flatMap((member) => nameOf(member) ?? []);
}

/** The members of an interface and of those in the same file that it extends, `Partial<Base>` included. */
export function allMembersOf(file: string, name: string): string[] {
  const { heritageClauses = [] } = declared(file, name) as ts.InterfaceDeclaration;
  const bases = heritageClauses.flatMap(({ types }) =>
    types.map((type) => /\w+(?=>?$)/.exec(type.getText())?.[0] ?? ""),
  );
  return [...bases.flatMap((base) => membersOf(file, base)), ...membersOf(file, name)];
}

/** The public members of a class that have a name of letters. */
export function publicMembersOf(file: string, name: string): string[] {
  const found = declared(file, name) as ts.ClassDeclaration;
  return found.members.flatMap((member) => nameOf(member) ?? []);
}

/** The strings of a union type. */
export function literalsOf(file: string, name: string): string[] {
  const { type } = declared(file, name) as ts.TypeAliasDeclaration;
  if (!ts.isUnionTypeNode(type)) throw new Error(`${name} is no union.`);
  return type.types.map((each) => ((each as ts.LiteralTypeNode).literal as ts.StringLiteral).text);
}
