const mostLetters = 120

/** Text of a file, for a message: in quotes, cut where it is long, without anything that a terminal would obey. */
export function quotedText(text: string): string {
  const cut = text.length > mostLetters ? `${text.slice(0, mostLetters)}…` : text
  return JSON.stringify(cut.toWellFormed()).replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, escaped)
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
}
