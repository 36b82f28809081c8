import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'

// Loaded before the command, so that of several processes each takes this machine for another one.
Object.assign(os, { hostname: () => process.env.SAMPLE_HOST })
syncBuiltinESMExports()
