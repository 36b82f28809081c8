/**
 * Text as Go's `encoding/json` writes it, so that equal trees are equal bytes whoever wrote them (restic, doc/design.rst,
 * "Trees and Data"): `<`, `>`, `&`, U+2028 and U+2029 are escaped, and control characters have short forms for \n, \r and \t only.
 */
export function goJsonString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll(/[<>&\u2028\u2029\u007f]|\\[bf]/g, (found) => {
    if (found === '\u007f') return found
    const character = found === '\\b' ? '\b' : found === '\\f' ? '\f' : found
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
