import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const SRC = join(import.meta.dirname, "../../src");

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(SRC, file), "utf8"), ts.ScriptTarget.ES2022, true);
}

const nameOf = ({ name }: { readonly name?: ts.PropertyName | undefined }) =>
  name && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? name.text : undefined;

/** Finds a declaration in a folder of src, so that a test names the layer and not the file. */
function declared(folder: string, name: string): ts.Statement {
  const files = readdirSync(join(SRC, folder), { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.ts$/.test(file),
  );
  const found = files
    .flatMap((file) => [...parse(join(folder, file)).statements])
    .filter(
      (statement) =>
        (ts.isInterfaceDeclaration(statement) ||
          ts.isTypeAliasDeclaration(statement) ||
          ts.isClassDeclaration(statement)) &&
        statement.name?.text === name,
    );
  if (found.length !== 1 || !found[0]) throw new Error(`${folder} declares ${found.length} of the name ${name}.`);
  return found[0];
}

/** The members of an interface as it is written, without those that it inherits. */
export function membersOf(folder: string, name: string): string[] {
  const found = declared(folder, name) as ts.InterfaceDeclaration;
  return found.members.flatMap((member) => nameOf(member) ?? []);
}

/** The members of an interface and of those in the same folder that it extends, `Partial<Base>` included. */
export function allMembersOf(folder: string, name: string): string[] {
  const { heritageClauses = [] } = declared(folder, name) as ts.InterfaceDeclaration;
  const bases = heritageClauses.flatMap(({ types }) =>
    types.map((type) => /\w+(?=>?$)/.exec(type.getText())?.[0] ?? ""),
  );
  return [...bases.flatMap((base) => membersOf(folder, base)), ...membersOf(folder, name)];
}

/** The public members of a class that have a name of letters. */
export function publicMembersOf(folder: string, name: string): string[] {
  const found = declared(folder, name) as ts.ClassDeclaration;
  return found.members.flatMap((member) => nameOf(member) ?? []);
}

/** The strings of a union type. */
export function literalsOf(folder: string, name: string): string[] {
  const { type } = declared(folder, name) as ts.TypeAliasDeclaration;
  if (!ts.isUnionTypeNode(type)) throw new Error(`${name} is no union.`);
  return type.types.map((each) => ((each as ts.LiteralTypeNode).literal as ts.StringLiteral).text);
}
