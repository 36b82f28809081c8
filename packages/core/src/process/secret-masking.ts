const mask = '***'

/**
 * Replaces every secret in `text`, also where it is written percent-encoded or escaped as in JSON. With `cutAtBegin` the
 * text has lost its beginning, and the rest of a secret that was cut in two there is replaced too.
 */
export function maskSecrets(text: string, secrets: readonly string[], options: { readonly cutAtBegin?: boolean } = {}): string {
  const forms = secrets
    .filter((secret) => secret !== '')
    .flatMap((secret) => [secret, percentEncoded(secret), JSON.stringify(secret).slice(1, -1)])
    .sort((a, b) => b.length - a.length)
  let masked = text
  if (options.cutAtBegin === true) {
    const rest = Math.max(0, ...forms.map((form) => restLength(masked, form)))
    if (rest > 0) masked = mask + masked.slice(rest)
  }
  for (const form of new Set(forms)) masked = masked.replaceAll(form, mask)
  return masked
}

/** How many characters at the beginning of `text` are the end of `secret`. */
function restLength(text: string, secret: string): number {
  for (let length = secret.length - 1; length > 0; length--) if (text.startsWith(secret.slice(-length))) return length
  return 0
}

function percentEncoded(secret: string): string {
  try {
    return encodeURIComponent(secret)
  } catch {
    // Half of a surrogate pair has no encoding.
    return secret
  }
}
