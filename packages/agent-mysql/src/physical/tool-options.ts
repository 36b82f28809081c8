import type { ServerFlavour } from '../mysql-server.ts'
import type { OptionFileReader } from '../programs/option-file.ts'
import { defaultPhysicalSettings, type PhysicalSettings } from './physical-settings.ts'

/** How the backup tool of a server reads where to connect. */
export function toolOptions(flavour: ServerFlavour, { optionFile }: PhysicalSettings = defaultPhysicalSettings): OptionFileReader {
  return {
    flavour,
    ...(optionFile === undefined ? {} : { before: optionFile }),
    hint: 'Give the account that backs up a password without line breaks and a key without a passphrase, which are kept where nobody else reads them.',
  }
}
