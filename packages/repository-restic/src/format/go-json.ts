/**
 * Text as Go's `encoding/json` writes it, so that equal trees are equal bytes whoever wrote them (restic, doc/design.rst,
 * "Trees and Data"): as JavaScript does, with `<`, `>`, `&`, U+2028 and U+2029 escaped too. Half a surrogate pair becomes U+FFFD.
 */
export function goJsonString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
