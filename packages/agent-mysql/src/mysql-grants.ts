/** A right the agent needs, with the names under which servers print it. */
export interface RequiredRight {
  /** As it is written in GRANT. */
  readonly privilege: string
  readonly scope: 'global' | 'schema'
  /** Other privileges that include it, such as `SUPER` on old servers. */
  readonly alternatives?: readonly string[]
  /** For the operator: `read the binlog position`. */
  readonly purpose: string
  /** A missing optional right is a warning. */
  readonly optional?: boolean
  /** The server shows nothing of such objects to those who lack the right, as if there were none. */
  readonly hides?: true
  /** Suffices on this table. */
  readonly on?: { readonly schema: string; readonly table: string }
  /** Other privileges that suffice on the schema itself. */
  readonly orOnSchema?: readonly string[]
}

export interface Grant {
  /** Upper-case, without column lists. */
  readonly privileges: ReadonlySet<string>
  /** `*` for all. Patterns of GRANT (`%`, `_`) are kept. */
  readonly schema: string
  readonly table: string
  readonly revoked: boolean
}

const grantPattern =
  /^(GRANT|REVOKE) (.+?) ON (?:(?:TABLE|FUNCTION|PROCEDURE|PACKAGE|PACKAGE BODY) )?(\*|`(?:[^`]|``)*`|[^.\s]+)\.(\*|`(?:[^`]|``)*`|\S+) (?:TO|FROM) /is

/** Reads lines of SHOW GRANTS of MySQL and MariaDB. Lines that grant roles or PROXY hold no privilege and are left out. */
export function parseGrants(lines: readonly string[]): readonly Grant[] {
  const grants: Grant[] = []
  for (const line of lines) {
    const match = grantPattern.exec(line)
    if (match === null) continue
    const [, verb = '', list = '', schema = '', table = ''] = match
    if (/^(EXECUTE|ALTER ROUTINE|GRANT OPTION)/i.test(list) && / ON (FUNCTION|PROCEDURE|PACKAGE)/i.test(line)) continue
    grants.push({
      privileges: new Set(splitPrivileges(list)),
      schema: unquote(schema),
      table: unquote(table),
      revoked: verb.toUpperCase() === 'REVOKE',
    })
  }
  return grants
}

/** The rights of `required` that the grants do not give; a schema right must hold for every one of `schemas` or globally. */
export function missingRights(
  grants: readonly Grant[],
  required: readonly RequiredRight[],
  schemas: readonly string[],
): readonly { readonly right: RequiredRight; readonly schemas: readonly string[] }[] {
  return required.flatMap((right) => {
    if (holds(grants, right, undefined) && right.scope === 'global') return []
    if (right.on !== undefined && holds(grants, right, right.on.schema, right.on.table)) return []
    const onSchema = (schema: string): boolean =>
      (right.scope === 'schema' && right.on === undefined && holds(grants, right, schema)) ||
      (right.orOnSchema ?? []).some((privilege) => holds(grants, { ...right, privilege, alternatives: [] }, schema))
    const lacking = schemas.filter((schema) => !onSchema(schema))
    // Who sees no schema at all lacks the right on those that are hidden.
    const hidden = schemas.length === 0 && !holds(grants, right, undefined)
    if (lacking.length === 0 && !hidden && (right.scope === 'schema' || right.orOnSchema !== undefined)) return []
    return [{ right, schemas: right.scope === 'global' || right.on !== undefined ? [] : lacking }]
  })
}

/** Rights of `required` without which the server hides something of this schema. */
export function hidingRights(grants: readonly Grant[], required: readonly RequiredRight[], schema: string): readonly RequiredRight[] {
  const missing = missingRights(
    grants,
    required.filter((right) => right.hides === true),
    [schema],
  )
  return distinctRights(missing.map(({ right }) => right))
}

/** One of each privilege. */
export function distinctRights(rights: readonly RequiredRight[]): readonly RequiredRight[] {
  return [...new Map(rights.map((right) => [right.privilege, right])).values()]
}

/**
 * The statement that gives what is missing. Global, since a backup of the server wants the schemas of tomorrow too.
 *
 * @param account as CURRENT_USER() prints it: `backup@10.0.0.%`
 */
export function grantStatement(rights: readonly RequiredRight[], account: string): string {
  return `GRANT ${rights.map((right) => right.privilege).join(', ')} ON *.* TO ${quoteAccount(account)}`
}

/** `user@host` → `'user'@'host'`; the last `@` separates. */
export function quoteAccount(account: string): string {
  const at = account.lastIndexOf('@')
  const [user, host] = at < 0 ? [account, undefined] : [account.slice(0, at), account.slice(at + 1)]
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
  return host === undefined ? quoted(user) : `${quoted(user)}@${quoted(host)}`
}

function holds(grants: readonly Grant[], right: RequiredRight, schema: string | undefined, table?: string): boolean {
  const names = [right.privilege, ...(right.alternatives ?? [])].map((name) => name.toUpperCase())
  const gives = (grant: Grant): boolean =>
    names.some((name) => grant.privileges.has(name)) || grant.privileges.has('ALL PRIVILEGES') || grant.privileges.has('ALL')
  const revoked = grants.some((grant) => grant.revoked && schema !== undefined && matches(grant.schema, schema) && gives(grant))
  if (revoked) return false
  return grants.some(
    (grant) =>
      !grant.revoked &&
      (grant.table === '*' || (table !== undefined && grant.table === table)) &&
      (grant.schema === '*' || (schema !== undefined && matches(grant.schema, schema))) &&
      gives(grant),
  )
}

/** Whether a schema name matches the pattern of a GRANT, in which `%` and `_` are wild unless escaped. */
function matches(pattern: string, schema: string): boolean {
  if (pattern === '*') return true
  let expression = ''
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern.charAt(index)
    if (character === '\\' && index + 1 < pattern.length) expression += escapeExpression(pattern.charAt(++index))
    else if (character === '%') expression += '.*'
    else if (character === '_') expression += '.'
    else expression += escapeExpression(character)
  }
  return new RegExp(`^${expression}$`, 'isu').test(schema)
}

function escapeExpression(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character
}

function splitPrivileges(list: string): string[] {
  const privileges: string[] = []
  // A column list makes a privilege hold for some columns only, which never suffices for a backup.
  for (const part of list.match(/[^,(]+(?:\([^)]*\))?/g) ?? []) {
    if (!part.includes('(')) privileges.push(part.trim().toUpperCase())
  }
  return privileges
}

function unquote(name: string): string {
  return name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name
}
