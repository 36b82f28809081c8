import { readFile } from 'node:fs/promises'
import { BackupError } from '@backup-planet/core'
import type { AnyAuthMethod, AuthenticationType, AuthHandlerMiddleware, ParsedKey, Prompt } from 'ssh2'
import ssh2 from 'ssh2'
import type { KeyboardQuestion } from '../sftp-settings.ts'
import type { SshServer } from './ssh-server.ts'

/** Everything a user can be let in with, in the order in which it is offered: keys, agent, password, questions. */
export async function loginMethods(server: SshServer): Promise<readonly AnyAuthMethod[]> {
  const { user: username, password, agent, keyboardInteractive } = server
  const methods: AnyAuthMethod[] = (await privateKeysOf(server)).map((key) => ({ type: 'publickey', username, key }))
  if (agent !== undefined) methods.push({ type: 'agent', username, agent })
  if (password !== undefined) methods.push({ type: 'password', username, password })
  const answer = answersTo(keyboardInteractive, password)
  if (answer !== undefined) {
    methods.push({
      type: 'keyboard-interactive',
      username,
      prompt(name, instructions, _language, prompts, finish) {
        const question = { name, instructions, prompts: prompts.map(({ prompt, echo }: Prompt) => ({ prompt, echo: echo === true })) }
        // Without answers the server refuses, which is then reported as any refusal.
        Promise.resolve(question)
          .then(answer)
          .then(
            (answers) => finish([...answers]),
            () => finish([]),
          )
      },
    })
  }
  if (methods.length > 0) return methods
  throw new BackupError(`there is nothing to log in to ${server.host} with`, {
    code: 'INVALID_SETTINGS',
    hint: 'Set privateKeyFile, password or agent; there is no agent in SSH_AUTH_SOCK and no usual key in ~/.ssh either.',
  })
}

/** Offers one method after the other, without those that the server has said it does not take. */
export function offerInTurn(methods: readonly AnyAuthMethod[]): AuthHandlerMiddleware {
  const left = [...methods]
  return (allowed: readonly AuthenticationType[] | null, _partial, next) => {
    for (;;) {
      const method = left.shift()
      if (method === undefined) return next(false as never)
      const name = method.type === 'agent' ? 'publickey' : method.type
      if (allowed === null || allowed.includes(name)) return next(method)
    }
  }
}

async function privateKeysOf({ privateKey, keyFiles, passphrase }: SshServer): Promise<ParsedKey[]> {
  const given = privateKey === undefined ? [] : [parsedKey(privateKey, passphrase, 'privateKey')]
  const read = await Promise.all(
    keyFiles.map(async (file) => {
      const text = await readFile(file).catch((error: unknown) => {
        throw new BackupError(`the private key ${file} cannot be read: ${(error as Error).message}`, {
          code: 'INVALID_SETTINGS',
          hint: 'Correct privateKeyFile, and let the user that runs backups read the key, and nobody else.',
          cause: error,
        })
      })
      return parsedKey(text, passphrase, file)
    }),
  )
  return [...given, ...read]
}

/** The error of the parser is no cause: it may show parts of the key. */
function parsedKey(text: Buffer | string, passphrase: string | undefined, where: string): ParsedKey {
  const parsed: ParsedKey | readonly ParsedKey[] | Error = ssh2.utils.parseKey(text, passphrase)
  const key = Array.isArray(parsed) ? (parsed[0] as ParsedKey | undefined) : (parsed as ParsedKey | Error)
  if (key instanceof Error && /encrypted|passphrase|integrity/i.test(key.message)) {
    throw new BackupError(`the private key ${where} ${passphrase === undefined ? 'is encrypted' : 'does not open with the passphrase'}`, {
      code: 'WRONG_CREDENTIALS',
      hint: passphrase === undefined ? 'Give its passphrase in the settings.' : 'Correct the passphrase in the settings.',
    })
  }
  if (key === undefined || key instanceof Error || !key.isPrivateKey()) {
    throw new BackupError(`the private key ${where} cannot be read as one`, {
      code: 'INVALID_SETTINGS',
      hint: 'Give a private key as ssh-keygen writes it (not the .pub file, not a .ppk of PuTTY: puttygen exports those).',
    })
  }
  return key
}

function answersTo(
  setting: SshServer['keyboardInteractive'],
  password: string | undefined,
): ((question: KeyboardQuestion) => Promise<readonly string[]> | readonly string[]) | undefined {
  if (typeof setting === 'function') return setting
  if (setting === false || password === undefined) return undefined
  return ({ prompts }) => prompts.map(({ echo }) => (echo ? '' : password))
}
