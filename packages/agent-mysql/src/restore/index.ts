export { logChainGuide } from './log-chain-guide.ts'
export { planMysqlRestore } from './restore-plan.ts'
export { runMysqlRestore } from './restore-run.ts'
