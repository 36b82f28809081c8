/** What the settings say about definers. */
export interface DefinerRule {
  readonly stripDefiner: boolean
  readonly definerMap: Readonly<Record<string, string>>
}

const name = '(?:`(?:[^`]|``)*`|"(?:[^"]|"")*")'
const definerClause = new RegExp(
  `^(CREATE\\s+(?:OR REPLACE\\s+)?(?:ALGORITHM\\s*=\\s*\\w+\\s+)?)DEFINER\\s*=\\s*(${name})(?:@(${name}))?\\s+`,
  'i',
)

/** The text of a view, routine, trigger or event with its DEFINER kept, replaced or left out. */
export function withDefiner(create: string, rule: DefinerRule): string {
  const match = definerClause.exec(create)
  if (match === null) return create
  const [clause, head = '', user = '', host] = match
  const rest = create.slice(clause.length)
  if (rule.stripDefiner) return `${head}${rest}`
  const definer = `${unquote(user)}@${host === undefined ? '' : unquote(host)}`
  const other = rule.definerMap[definer]
  if (other === undefined) return create
  const at = other.lastIndexOf('@')
  const quoted = at < 0 ? quote(other) : `${quote(other.slice(0, at))}@${quote(other.slice(at + 1))}`
  return `${head}DEFINER=${quoted} ${rest}`
}

/** Without the next AUTO_INCREMENT value, which moves with every row and is no change of structure. */
export function withoutAutoIncrement(create: string): string {
  return create.replace(/^(\)[^\n]*?) AUTO_INCREMENT=\d+/m, '$1')
}

function unquote(text: string): string {
  const mark = text.charAt(0)
  return text.slice(1, -1).replaceAll(mark + mark, mark)
}

function quote(text: string): string {
  return `\`${text.replaceAll('`', '``')}\``
}
