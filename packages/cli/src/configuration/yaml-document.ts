import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml'

/** One thing that is wrong in a file, where it is, without any value of the file in it. */
export interface DocumentProblem {
  readonly line: number
  readonly column: number
  readonly text: string
}

/** A YAML file as plain data, with the places its values came from. */
export interface YamlDocument {
  readonly data: unknown
  readonly problems: readonly DocumentProblem[]
  /** Line and column, from 1, of the value at `path`, or of the nearest thing around it that exists. */
  placeOf(path: readonly PropertyKey[]): { readonly line: number; readonly column: number }
  /** The same for a key instead of its value. */
  placeOfKey(path: readonly PropertyKey[], key: string): { readonly line: number; readonly column: number }
}

export function readYaml(text: string): YamlDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, version: '1.2' })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const problems = document.errors.map((error) => ({ ...place(error.pos[0]), text: describe(error) }))
  const data = problems.length > 0 ? undefined : dataOf(document, problems)
  return {
    data,
    problems,
    placeOf: (path) => place(nodeAt(document, path)?.range?.[0] ?? 0),
    placeOfKey(path, key) {
      const map = nodeAt(document, path)
      const pair = isMap(map) ? map.items.find(({ key: candidate }) => isScalar(candidate) && String(candidate.value) === key) : undefined
      return place((isScalar(pair?.key) ? pair.key.range?.[0] : undefined) ?? map?.range?.[0] ?? 0)
    },
  }
}

function dataOf(document: Document.Parsed, problems: DocumentProblem[]): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    problems.push({
      line: 1,
      column: 1,
      text: 'an alias (*name) has no anchor (&name) before it; quote values that begin with an asterisk',
    })
    return undefined
  }
}

function nodeAt(document: Document.Parsed, path: readonly PropertyKey[]): Node | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as Node | undefined
    if (node !== undefined && node !== null && typeof node === 'object' && 'range' in node) return node
  }
  return undefined
}

/** The parser's own messages may quote the file, and the file may hold secrets. */
const descriptions: Partial<Record<YAMLError['code'], string>> = {
  BAD_ALIAS: 'an alias (*name) cannot be used here; quote values that begin with an asterisk',
  BAD_COLLECTION_TYPE: 'a value has a tag that does not fit it',
  BAD_DQ_ESCAPE: 'a double-quoted text has an unknown escape; double the backslash or use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines around it',
  BAD_SCALAR_START: 'a value begins with a character that YAML reserves; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a key is missing its own line, or a value with a colon needs quotes',
  BLOCK_IN_FLOW: 'a value inside { } or [ ] is not written as one; put it in quotes',
  DUPLICATE_KEY: 'this key is there twice in the same block',
  MISSING_CHAR: 'a colon, comma, bracket or closing quote is missing',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines; a closing quote may be missing',
  MULTIPLE_DOCS: 'the file holds more than one document (---)',
  NON_STRING_KEY: 'a key is not a text',
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
  TAG_RESOLVE_FAILED: 'a value begins with a tag (!name) that is not known; quote values that begin with an exclamation mark',
  UNEXPECTED_TOKEN: 'this is not expected here; a value with special characters needs quotes',
}

function describe(error: YAMLError): string {
  return descriptions[error.code] ?? `the file is not valid YAML (${error.code})`
}
