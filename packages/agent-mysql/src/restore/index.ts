export { planMysqlRestore } from './restore-plan.ts'
export { runMysqlRestore } from './restore-run.ts'
