/** Headers whose values are secrets by what they are for. */
const secretHeader = /auth|token|key|secret|cookie|credential|passw|signature/i
/** Shorter parts of a value would turn ordinary words into stars. */
const shortestPart = 5

/**
 * What of the headers of a request must not be shown: the values of those that hold secrets, and each part of them that a service may repeat by
 * itself, such as the token behind `Bearer`, or the password in the Base64 of `Basic` (RFC 7617).
 */
export function headerSecrets(headers: Readonly<Record<string, string>>): readonly string[] {
  const secrets = Object.entries(headers).flatMap(([name, value]) => (secretHeader.test(name) ? [value, ...partsOf(value)] : []))
  return [...new Set(secrets)]
}

/** What of the settings of a channel must be shown nowhere, in no message of another channel either: for who masks what a program prints. */
export function channelSecrets(settings: object): readonly string[] {
  const { url, headers, password } = settings as { readonly url?: unknown; readonly headers?: unknown; readonly password?: unknown }
  const values = typeof headers === 'object' && headers !== null ? Object.entries(headers) : []
  const texts = values.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return [...[url, password].filter((secret) => typeof secret === 'string'), ...headerSecrets(Object.fromEntries(texts))]
}

function partsOf(value: string): readonly string[] {
  const words = value.trim().split(/[\s,;]+/)
  const [scheme = '', ...rest] = words
  // Alone it is the secret itself.
  const credentials = /^[\w.-]+$/.test(scheme) && rest.length > 0 ? rest : words
  const parts = credentials.flatMap((word) => [word, word.slice(word.indexOf('=') + 1).replaceAll(/["']/g, '')])
  const basic = /^basic$/i.test(scheme) ? Buffer.from(rest.join(''), 'base64').toString('utf8') : ''
  const password = basic.slice(basic.indexOf(':') + 1)
  return [...parts.filter((part) => part.length >= shortestPart), ...(password === '' ? [] : [basic, password])]
}
